package main

import (
	"errors"
	"fmt"
	"maps"
	"strconv"
	"unicode/utf8"

	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/workloads/ledger"
)

// officialGlobals are the flags that every command of etcd's benchmark has.
func officialGlobals() []officialFlag {
	return []officialFlag{
		{name: "endpoints", value: []string{"127.0.0.1:2379"}, usage: "`addresses` of the cluster", becomes: "`--endpoints`", apply: endpoints},
		{name: "conns", value: 1, usage: "connections that the clients share", becomes: "`--conns`", apply: connections},
		{name: "clients", value: 1, usage: "clients, each with one request at a time", becomes: "`--clients`", apply: clients},
		{name: "target-leader", value: false, usage: "connect to the leader alone (etcd 3.5 and 3.6)", becomes: "`--target-leader`",
			apply: func(o *officialRun) error { o.spec.Cluster.TargetLeader = o.is("target-leader"); return nil }},
		{name: "cert", value: "", usage: "`file` of the client's certificate", becomes: "`--cert`",
			apply: func(o *officialRun) error { o.spec.Cluster.Remote.Cert = o.text("cert"); return nil }},
		{name: "key", value: "", usage: "`file` of the client's key", becomes: "`--key`",
			apply: func(o *officialRun) error { o.spec.Cluster.Remote.Key = o.text("key"); return nil }},
		{name: "cacert", value: "", usage: "`file` of the authority that signed the servers' certificates", becomes: "`--cacert`",
			apply: func(o *officialRun) error { o.spec.Cluster.Remote.CACert = o.text("cacert"); return nil }},
		{name: "insecure-skip-tls-verify", value: false, usage: "accept any server's certificate", becomes: "`--insecure-skip-tls-verify`",
			apply: func(o *officialRun) error {
				o.spec.Cluster.Remote.InsecureSkipVerify = o.is("insecure-skip-tls-verify")
				return nil
			}},
		{name: "user", value: "", usage: "user `name`; the password comes from ETCDBENCH_PASSWORD or a prompt",
			becomes: "`--user`; a password after a colon is refused: other processes could read it",
			apply:   func(o *officialRun) error { o.spec.Cluster.Remote.User = o.text("user"); return nil }},
		{name: "dial-timeout", value: noTime, usage: "longest time to wait for an endpoint at the start (0: 5 s)", becomes: "`--dial-timeout`",
			apply: func(o *officialRun) error {
				if d := o.time("dial-timeout"); d != 0 {
					o.spec.Cluster.DialTimeout = &d
				}
				return nil
			}},
		{name: "auto-sync-interval", value: noTime,
			refused: "the endpoints of a run stay the same; name every member in --endpoints"},
		{name: "sample", value: false, usage: "print a line for each second", becomes: "`--format csv`", apply: format("sample", "csv")},
		{name: "report-perfdash", value: false, usage: "print perfdash's JSON", becomes: "`--format perfdash`",
			apply: format("report-perfdash", "perfdash")},
		{name: "precise", value: false, refused: "reports round to three digits; --format json has full precision"},
	}
}

// officialCommands are the commands of etcd's benchmark.
func officialCommands() []officialCommand {
	return []officialCommand{
		officialPut(), officialRange(), officialTxnPut(), officialTxnMixed(), officialSTM(), officialWatch(), officialWatchLatency(),
		officialWatchGet(), officialLeaseKeepalive(),
		{name: "mvcc", args: "put", atMost: 1, summary: "Not accepted: puts to the storage library",
			differs: "it measures a library without a server; use etcdbench run storage-put"},
	}
}

func officialPut() officialCommand {
	return officialCommand{
		name: "put", summary: "Benchmark put", workload: "put", ownKeys: true,
		differs: "values differ from request to request",
		flags: []officialFlag{
			keySize(8), valueSize(8), keySpace(), total("total", 10000, "puts"), rate("rate", 0, "puts"),
			{name: "sequential-keys", value: false, usage: "use the keys in order", becomes: "`--keys sequential`", apply: order},
			{name: "prefix", value: "", usage: "prefix of every key, before the --key-size bytes", becomes: "`--prefix`", apply: prefix},
			{name: "compact-interval", value: noTime, usage: "compact the history at this interval; needs --allow-disturbances",
				becomes: "`--disturb compaction@INTERVAL/INTERVAL`", apply: compaction},
			{name: "compact-index-delta", value: 1000, usage: "revisions that a compaction keeps",
				becomes: "parameter `keep` of the disturbance `compaction`", apply: noEffect},
			{name: "check-hashkv", value: false, usage: "compare the members' hashes after the load",
				becomes: "`--verify`, which compares the hashes of all members and more", apply: func(o *officialRun) error {
					if check := o.is("check-hashkv"); check {
						o.spec.Verify = &check
					}
					return nil
				}},
		},
	}
}

func officialRange() officialCommand {
	return officialCommand{
		name: "range", args: "key [end-range]", atMost: 2, summary: "Benchmark range", workload: "range", complete: rangeKeys,
		differs: "a read that finds no key is a failure",
		flags: []officialFlag{
			total("total", 10000, "reads"), rate("rate", 0, "reads"), consistency(),
			{name: "limit", value: 0, usage: "largest number of keys that a read returns (0: all)", param: "limit"},
			{name: "count-only", value: false, usage: "return only the number of keys", param: "count-only"},
			{name: "keys-only", value: false, usage: "return keys without values", param: "keys-only"},
			{name: "stream", value: false, usage: "use RangeStream", param: "stream"},
			{name: "paginate", value: false, usage: "read in pages of 10,000 keys", becomes: "`--page-size 10000`",
				apply: func(o *officialRun) error {
					if o.is("paginate") {
						o.set("page-size", "10000")
					}
					return nil
				}},
			{name: "prefix", value: false, usage: "read all keys that begin with the key", becomes: "`--span prefix`", apply: noEffect},
		},
	}
}

func officialTxnPut() officialCommand {
	return officialCommand{
		name: "txn-put", summary: "Benchmark txn-put", workload: "txn-put", ownKeys: true, fixed: inOrder(),
		differs: "values differ from request to request",
		flags: []officialFlag{
			keySize(8), valueSize(8), keySpace(), total("total", 10000, "transactions"), rate("rate", 0, "transactions"),
			{name: "txn-ops", value: 1, usage: "puts in one transaction", param: "txn-ops"},
		},
	}
}

func officialTxnMixed() officialCommand {
	return officialCommand{
		name: "txn-mixed", args: "key [end-range]", atMost: 2, summary: "Benchmark a mix of transactions that read and that write",
		workload: "txn-mixed", ownKeys: true, fixed: with(inOrder(), "span", "prefix"),
		differs: "all keys are written before the load, and reads cover the keys of the run alone",
		complete: func(o *officialRun) error {
			if len(o.args) > 0 {
				return errors.New("the arguments have no effect in etcd's benchmark: leave them out")
			}
			return nil
		},
		flags: []officialFlag{
			keySize(8), valueSize(8), keySpace(), total("total", 10000, "transactions"), rate("rate", 0, "transactions"), consistency(),
			{name: "rw-ratio", value: 1.0, usage: "reads for each write", param: "rw-ratio"},
			{name: "limit", value: 1000, usage: "largest number of keys that a read returns (0: all)", param: "limit"},
			{name: "end-key", value: "", refused: "it has no effect in etcd's benchmark, whose reads cover all keys; leave it out"},
		},
	}
}

func officialSTM() officialCommand {
	return officialCommand{
		name: "stm", summary: "Benchmark software transactional memory", workload: "stm", ownKeys: true,
		fixed:   map[string]string{"key-size": "16"},
		differs: "all keys are written before the load, and the wait for --rate is outside the transaction",
		flags: []officialFlag{
			total("total", 10000, "transactions"), rate("rate", 0, "transactions"), valueSize(8),
			{name: "isolation", value: "r", usage: "c: read committed, r: repeatable reads, s: serializable, ss: snapshot", param: "isolation"},
			{name: "keys", value: 1, usage: "number of different keys", param: "key-space-size"},
			{name: "keys-per-txn", value: 1, usage: "keys that a transaction reads", param: "keys-per-txn"},
			{name: "txn-wr-percent", value: 50, usage: "percentage of the read keys that a transaction writes", param: "txn-wr-percent"},
			{name: "stm-locker", value: "stm", usage: "stm, without a lock around transactions", becomes: "`stm` is accepted; for locks, `run lock`",
				apply: func(o *officialRun) error {
					if locker := o.text("stm-locker"); locker != "stm" {
						return fmt.Errorf("--stm-locker %s is not accepted: locks are measured by etcdbench run lock", locker)
					}
					return nil
				}},
		},
	}
}

func officialWatch() officialCommand {
	return officialCommand{
		name: "watch", summary: "Benchmark events of watchers", workload: "watch", ownKeys: true,
		fixed: with(inOrder(), "val-size", strconv.Itoa(ledger.StampSize)), complete: watchedKeys,
		differs: "an event's time counts from its put, and creating watchers is measured by etcdbench run watch-create",
		flags: []officialFlag{
			{name: "streams", value: 10, usage: "streams of watchers", param: "streams"},
			{name: "watch-per-stream", value: 100, usage: "watchers on each stream", param: "watch-per-stream"},
			{name: "watched-key-total", value: 1, usage: "keys that are watched, in turn",
				becomes: "with the next: `--key-space-size`, the smaller of the two", apply: noEffect},
			{name: "key-space-size", value: 1, usage: "number of different keys", becomes: "`--key-space-size`", apply: noEffect},
			{name: "sequential-keys", value: false, usage: "use the keys in order", becomes: "`--keys sequential`, always", apply: noEffect},
			keySize(32), total("put-total", 1000, "puts"), rate("put-rate", 0, "puts"),
		},
	}
}

func officialWatchLatency() officialCommand {
	return officialCommand{
		name: "watch-latency", summary: "Benchmark the time from a put to its events", workload: "watch", ownKeys: true,
		fixed: with(inOrder(), "key-space-size", "1"), complete: oneWriter,
		differs: "an event's time counts from when its put was sent, not from the response, and puts do not wait for events",
		flags: []officialFlag{
			{name: "streams", value: 10, usage: "streams of watchers", param: "streams"},
			{name: "watchers-per-stream", value: 10, usage: "watchers on each stream", param: "watch-per-stream"},
			{name: "prevkv", value: false, usage: "include the previous value in events", param: "prev-kv"},
			keySize(32), valueSize(32), total("put-total", 1000, "puts"), rate("put-rate", 100, "puts"),
			{name: "total", value: 1000, usage: "puts in all (etcd 3.5)", becomes: "`--total`", apply: func(o *officialRun) error {
				if o.flags.Changed("total") {
					return total("total", 0, "").apply(o)
				}
				return nil
			}},
		},
	}
}

func officialWatchGet() officialCommand {
	return officialCommand{
		name: "watch-get", summary: "Benchmark serializable gets while watchers catch up", workload: "watch-catchup", complete: waitingWatchers,
		fixed: map[string]string{"key-space-size": "1", "get-rate": strconv.Itoa(catchupGetRate)},
		differs: fmt.Sprintf("gets arrive at %d/s instead of one after the other, and at most %d watchers catch up at a time",
			catchupGetRate, mostCatchingUp),
		flags: []officialFlag{
			total("watchers", 10000, "watchers"),
			{name: "events", value: 8, usage: "events that each watcher catches up on", param: "past-events"},
			{name: "streams", value: 1, refused: "each watcher has a stream of its own; leave it out"},
		},
	}
}

func officialLeaseKeepalive() officialCommand {
	return officialCommand{
		name: "lease-keepalive", summary: "Benchmark renewals of leases", workload: "lease-keepalive",
		fixed: map[string]string{"once": "true", "ttl": "100s"},
		complete: func(o *officialRun) error {
			o.set("leases", strconv.Itoa(o.number("clients")))
			return nil
		},
		differs: "the clients renew their leases in turn, and leases are revoked after the run",
		flags:   []officialFlag{total("total", 10000, "renewals")},
	}
}

// inOrder are the parameters for keys that are used in order.
func inOrder() map[string]string { return map[string]string{"keys": "sequential"} }

// with adds a parameter.
func with(params map[string]string, name, value string) map[string]string {
	params = maps.Clone(params)
	params[name] = value
	return params
}

// rangeKeys sets the range that is read.
func rangeKeys(o *officialRun) error {
	for _, key := range o.args {
		if !utf8.ValidString(key) {
			return fmt.Errorf("key %q is not UTF-8 text, which results require", results.Clip(key))
		}
	}
	prefix := o.is("prefix")
	switch {
	case len(o.args) == 0 && !prefix:
		return errors.New("the key is missing: give one, or --prefix for all keys")
	case len(o.args) == 2 && prefix:
		return errors.New("end-range and --prefix cannot be combined")
	case len(o.args) == 0 || o.args[0] == "" && prefix: // every key of the cluster
		o.set("read-key", "\x00")
		o.set("read-end", "\x00")
		return nil
	case o.args[0] == "":
		return errors.New("the key is empty: give one, or --prefix for all keys")
	}
	o.set("read-key", o.args[0])
	if len(o.args) == 2 {
		o.set("read-end", o.args[1])
	}
	if prefix {
		o.set("span", "prefix")
	}
	return nil
}
