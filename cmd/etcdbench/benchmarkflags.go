package main

import (
	"fmt"
	"strconv"
	"time"

	"github.com/etcdbench/etcdbench/results"
)

// noTime is the default of flags of times.
const noTime = time.Duration(0)

// Flags that several commands of etcd's benchmark have.

func keySize(size int) officialFlag {
	return officialFlag{name: "key-size", value: size, usage: "length of a key in bytes", param: "key-size"}
}

func valueSize(size int) officialFlag {
	return officialFlag{name: "val-size", value: size, usage: "length of a value in bytes", param: "val-size"}
}

func keySpace() officialFlag {
	return officialFlag{name: "key-space-size", value: 1, usage: "number of different keys", param: "key-space-size"}
}

func consistency() officialFlag {
	return officialFlag{
		name: "consistency", value: "l", usage: "consistency of reads: l (linearizable) or s (serializable)", param: "consistency",
	}
}

// total is the flag of the number of operations.
func total(name string, value int, what string) officialFlag {
	return officialFlag{name: name, value: value, usage: what + " in all", becomes: "`--total`", apply: func(o *officialRun) error {
		n := o.number(name)
		if n < 1 {
			return fmt.Errorf("--%s must be positive, not %d", name, n)
		}
		count := uint64(n)
		o.spec.Load.Total = &count
		return nil
	}}
}

// rate is the flag of the highest rate.
func rate(name string, value int, what string) officialFlag {
	return officialFlag{name: name, value: value, usage: what + " per second, in an open loop (0: a closed loop)", becomes: "`--rate`",
		apply: func(o *officialRun) error {
			n := float64(o.number(name))
			switch {
			case n < 0:
				return fmt.Errorf("--%s must not be negative, but is %v", name, n)
			case n > 0:
				o.spec.Load.Rate = &n
			}
			return nil
		}}
}

// noEffect applies a flag that the command reads when the command line is complete.
func noEffect(*officialRun) error { return nil }

// format applies a flag that selects the format of the report.
func format(name, chosen string) func(*officialRun) error {
	return func(o *officialRun) error {
		switch {
		case !o.is(name):
		case o.format != "text" && o.format != chosen:
			return fmt.Errorf("--%s means --format %s, but --format %s is also given: remove one of them", name, chosen, o.format)
		default:
			o.format = chosen
		}
		return nil
	}
}

func endpoints(o *officialRun) error {
	list, err := o.flags.GetStringSlice("endpoints")
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("--endpoints is empty")
	}
	o.spec.Cluster.Endpoints = list
	return err
}

func connections(o *officialRun) error {
	n := o.number("conns")
	o.spec.Load.Conns = &n
	return nil
}

func clients(o *officialRun) error {
	n := o.number("clients")
	o.spec.Load.Clients = &n
	return nil
}

func order(o *officialRun) error {
	if o.is("sequential-keys") {
		o.set("keys", "sequential")
	}
	return nil
}

// prefix makes keys of the given prefix and --key-size bytes.
func prefix(o *officialRun) error {
	if given := o.text("prefix"); given != "" {
		o.spec.Prefix = given
		o.set("key-size", strconv.Itoa(len(given)+o.number("key-size")))
	}
	return nil
}

func compaction(o *officialRun) error {
	every := o.time("compact-interval")
	if every == 0 {
		return nil
	}
	o.spec.Disturbances = append(o.spec.Disturbances, results.PlanDisturbance{
		Kind: "compaction", At: every, Every: every, Params: map[string]string{"keep": o.text("compact-index-delta")},
	})
	return nil
}

// watchedKeys makes the run write the watched keys.
func watchedKeys(o *officialRun) error {
	o.set("key-space-size", strconv.Itoa(min(o.number("watched-key-total"), o.number("key-space-size"))))
	return nil
}

// oneWriter makes one client put, as in etcd's watch-latency; --clients and --conns apply to
// its watchers.
func oneWriter(o *officialRun) error {
	one := 1
	o.spec.Load.Clients = &one
	return nil
}

const (
	// catchupGetRate is the number of gets per second while watchers catch up.
	catchupGetRate = 1000
	// mostCatchingUp is the largest number of watchers that catch up at a time.
	mostCatchingUp = 1000
)

// waitingWatchers sets the number of watchers that catch up at a time to its limit.
func waitingWatchers(o *officialRun) error {
	n := min(o.number("watchers"), mostCatchingUp)
	o.spec.Load.Clients = &n
	return nil
}
