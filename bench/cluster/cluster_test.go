package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"

	"github.com/etcdbench/etcdbench/bench/cluster"
	"github.com/etcdbench/etcdbench/bench/transport"
)

func testSettings(t *testing.T, members int) cluster.Settings {
	s := cluster.DefaultSettings()
	s.Members, s.UnsafeNoFsync = members, true
	s.DataDir, s.LogDir = t.TempDir(), t.TempDir()
	return s
}

// use puts and gets a key through every member, and inspects them all.
func use(t *testing.T, c cluster.Cluster) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	eps := cluster.Endpoints(c)
	pool, err := transport.Dial(ctx, transport.Options{Endpoints: eps, Conns: len(eps), TLS: c.TLS(), Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	for i, conn := range pool.Conns() {
		kv := pb.NewKVClient(conn)
		key := []byte("k" + strconv.Itoa(i))
		if _, err := kv.Put(ctx, &pb.PutRequest{Key: key, Value: []byte("v")}); err != nil {
			t.Fatalf("put through %s: %v", eps[i], err)
		}
		r, err := kv.Range(ctx, &pb.RangeRequest{Key: key})
		if err != nil || r.Count != 1 {
			t.Fatalf("read through %s: %v %v", eps[i], r, err)
		}
	}
	d, err := cluster.Inspect(ctx, c, pool.Conns())
	if err != nil {
		t.Fatal(err)
	}
	leaders := 0
	for _, m := range d.Members {
		if m.Leader {
			leaders++
		}
		if m.Version == "" || m.ID == "" || m.Quota == 0 {
			t.Errorf("member %+v is not described", m)
		}
	}
	if leaders != 1 || len(d.Members) != len(eps) {
		t.Errorf("%d leaders among %d members", leaders, len(d.Members))
	}
}

func alive(pid int) bool { return syscall.Kill(pid, 0) == nil }

func isEmpty(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	if len(entries) > 0 {
		t.Errorf("%s still holds %v", dir, entries)
	}
}

func TestProcesses(t *testing.T) {
	for name, set := range map[string]func(*cluster.Settings){
		"one member": func(s *cluster.Settings) { s.Members = 1 },
		"three members": func(s *cluster.Settings) {
			s.HeartbeatInterval, s.ElectionTimeout = 50*time.Millisecond, 500*time.Millisecond
		},
		"TLS": func(s *cluster.Settings) { s.TLS = true },
		"own flags": func(s *cluster.Settings) {
			s.Members, s.EtcdFlags, s.AutoCompaction = 1, []string{"max-txn-ops=7"}, "1000"
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := testSettings(t, 3)
			set(&s)
			c, err := cluster.StartProcesses(t.Context(), cluster.ProcessOptions{Settings: s})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Stop()
			use(t, c)
			pids := map[int]bool{}
			for _, m := range c.Members() {
				pids[m.PID] = true
				if info, err := os.Stat(m.Log); err != nil || info.Size() == 0 {
					t.Errorf("log of %s: %v", m.Name, err)
				}
			}
			if len(pids) != s.Members || pids[os.Getpid()] {
				t.Errorf("%d members have processes %v", s.Members, pids)
			}
			if err := c.Stop(); err != nil {
				t.Error(err)
			}
			for pid := range pids {
				if alive(pid) {
					t.Errorf("member process %d is left", pid)
				}
			}
			isEmpty(t, s.DataDir)
		})
	}
}

func TestInProcess(t *testing.T) {
	s := testSettings(t, 3)
	c, err := cluster.StartInProcess(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	use(t, c)
	if err := c.Stop(); err != nil {
		t.Error(err)
	}
	isEmpty(t, s.DataDir)
}

// A relative directory of logs may have a colon in its name.
func TestInProcessWithColon(t *testing.T) {
	s := testSettings(t, 1)
	t.Chdir(t.TempDir())
	s.LogDir = "a:b"
	c, err := cluster.StartInProcess(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Stop(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join("a:b", "m1.log")); err != nil {
		t.Error(err)
	}
}

// A foreign program runs under the keeper; this one is our own etcd behind a
// shell script.
func TestForeignBinary(t *testing.T) {
	t.Setenv("ETCD_QUOTA_BACKEND_BYTES", "not a number") // would end a member that saw it
	t.Setenv("ETCDBENCH_PASSWORD", "secret")
	s := testSettings(t, 1)
	c, err := cluster.StartProcesses(t.Context(), cluster.ProcessOptions{Settings: s, Binary: foreignEtcd(t)})
	if err != nil {
		t.Fatal(err)
	}
	use(t, c)
	pid := c.Members()[0].PID
	if env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid)); err == nil && (strings.Contains(string(env), "ETCD_QUOTA") || strings.Contains(string(env), "secret")) {
		t.Errorf("the member's environment holds what is not its own: %q", env)
	}
	if err := c.Stop(); err != nil {
		t.Error(err)
	}
	if alive(pid) {
		t.Errorf("process %d is left", pid)
	}
	if left := processesOf(s.DataDir); len(left) > 0 {
		t.Errorf("processes %v are left", left)
	}
}

func foreignEtcd(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "etcd")
	script := fmt.Sprintf("#!/bin/sh\nexec sleep 1000 | { %q member -- \"$@\"; kill -s KILL 0; }\n", self)
	syscall.ForkLock.RLock() // a process forked meanwhile would hold the file open for writing
	err = os.WriteFile(path, []byte(script), 0o755)
	syscall.ForkLock.RUnlock()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestStartFailuresNameTheMemberAndShowItsLog(t *testing.T) {
	t.Run("not etcd", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "etcd")
		if err := os.WriteFile(path, []byte("#!/bin/sh\necho this is not etcd >&2\nexit 3\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		_, err := cluster.StartProcesses(t.Context(), cluster.ProcessOptions{Settings: testSettings(t, 1), Binary: path})
		if err == nil || !strings.Contains(err.Error(), "member m1") || !strings.Contains(err.Error(), "this is not etcd") {
			t.Errorf("error %v", err)
		}
	})
	t.Run("port taken", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		s := testSettings(t, 1)
		s.BasePort = l.Addr().(*net.TCPAddr).Port
		if s.BasePort > 65533 {
			t.Skip("the system gave a port at the end of the range")
		}
		_, err = cluster.StartProcesses(t.Context(), cluster.ProcessOptions{Settings: s})
		if err == nil || !strings.Contains(err.Error(), strconv.Itoa(s.BasePort)) {
			t.Errorf("error %v", err)
		}
		isEmpty(t, s.DataDir)
	})
	t.Run("port taken meanwhile", func(t *testing.T) {
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		path, once := filepath.Join(t.TempDir(), "etcdbench"), filepath.Join(t.TempDir(), "once")
		script := fmt.Sprintf("#!/bin/sh\nmkdir %q 2>/dev/null && { echo address already in use >&2; exit 1; }\nexec %q \"$@\"\n", once, self)
		if err := os.WriteFile(path, []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
		c, err := cluster.StartProcesses(t.Context(), cluster.ProcessOptions{Settings: testSettings(t, 3), Command: []string{path, "member"}})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	t.Run("never ready", func(t *testing.T) {
		s := testSettings(t, 1)
		s.StartTimeout = 300 * time.Millisecond
		path := filepath.Join(t.TempDir(), "etcd")
		if err := os.WriteFile(path, []byte("#!/bin/sh\nexec sleep 1000\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		_, err := cluster.StartProcesses(t.Context(), cluster.ProcessOptions{Settings: s, Binary: path})
		if err == nil || !strings.Contains(err.Error(), "not ready in time") {
			t.Errorf("error %v", err)
		}
	})
}

func TestSettingsAreValidated(t *testing.T) {
	for want, set := range map[string]func(*cluster.Settings){
		"--members must be 1, 3 or 5, not 0": func(s *cluster.Settings) { s.Members = 0 },
		"--members must be 1, 3 or 5, not 2": func(s *cluster.Settings) { s.Members = 2 },
		"at least five times":                func(s *cluster.Settings) { s.HeartbeatInterval = 300 * time.Millisecond },
		"must be at most 50s":                func(s *cluster.Settings) { s.ElectionTimeout = time.Minute },
		"--rtt must be between":              func(s *cluster.Settings) { s.Network = &cluster.Network{RTT: -1} },
		"half the longest round trip of 10ms": func(s *cluster.Settings) {
			s.Network = &cluster.Network{RTT: 10 * time.Millisecond, Jitter: 6 * time.Millisecond}
		},
		"half the longest round trip of 8ms": func(s *cluster.Settings) {
			s.Network = &cluster.Network{Zones: []string{"a", "b"}, ZoneRTTs: []string{"a-b=8ms"}, Jitter: 5 * time.Millisecond}
		},
		"is not ZONE-ZONE=TIME": func(s *cluster.Settings) {
			s.Network = &cluster.Network{Zones: []string{"a"}, ZoneRTTs: []string{"a=4ms"}}
		},
		"no member is in zone \"b\"": func(s *cluster.Settings) {
			s.Network = &cluster.Network{Zones: []string{"a"}, ZoneRTTs: []string{"a-b=4ms"}}
		},
		"--zone-rtt needs --zones":             func(s *cluster.Settings) { s.Network = &cluster.Network{ZoneRTTs: []string{"a-b=4ms"}} },
		"whole milliseconds":                   func(s *cluster.Settings) { s.HeartbeatInterval = time.Microsecond },
		"neither a duration":                   func(s *cluster.Settings) { s.AutoCompaction = "often" },
		"is not name=value":                    func(s *cluster.Settings) { s.EtcdFlags = []string{"--max-txn-ops"} },
		"not defined: -no-such-flag":           func(s *cluster.Settings) { s.EtcdFlags = []string{"no-such-flag=1"} },
		"invalid value \"x\" for flag -max-tx": func(s *cluster.Settings) { s.EtcdFlags = []string{"max-txn-ops=x"} },
		"cannot be changed":                    func(s *cluster.Settings) { s.EtcdFlags = []string{"data-dir=elsewhere"} },
		"http://0.0.0.0:2381 is not a loopback address": func(s *cluster.Settings) {
			s.EtcdFlags = []string{"listen-metrics-urls=http://127.0.0.1:2380,http://0.0.0.0:2381"}
		},
		"is too high for 6 ports": func(s *cluster.Settings) { s.BasePort = 65535 },
	} {
		s := cluster.DefaultSettings()
		set(&s)
		if err := s.Validate(true); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

// However the parent ends, its members end too, and their data is gone. The
// parent is a second copy of this test, in which TestParent does the work.
func TestNothingIsLeftBehind(t *testing.T) {
	if testing.Short() {
		t.Skip("starts forty processes")
	}
	for name, end := range map[string]func(p *os.Process) error{
		"SIGKILL": func(p *os.Process) error { return p.Kill() },
		"SIGTERM": func(p *os.Process) error { return p.Signal(syscall.SIGTERM) },
		"panic":   func(p *os.Process) error { return p.Signal(syscall.SIGUSR1) },
	} {
		kinds := []string{"built-in", "foreign", "built-in and paused", "foreign and paused"}
		if name == "SIGKILL" {
			kinds = append(kinds, "built-in and one dead")
		}
		for _, kind := range kinds {
			t.Run(name+" "+kind, func(t *testing.T) {
				t.Parallel()
				data := t.TempDir()
				cmd := exec.Command(os.Args[0], "-test.run=^TestParent$")
				cmd.Env = append(os.Environ(), "ETCDBENCH_TEST_PARENT="+data, "ETCDBENCH_TEST_FOREIGN=")
				kind, paused := strings.CutSuffix(kind, " and paused")
				if paused {
					cmd.Env = append(cmd.Env, "ETCDBENCH_TEST_PAUSE=1")
				}
				kind, oneDead := strings.CutSuffix(kind, " and one dead")
				if kind == "foreign" {
					cmd.Env = append(cmd.Env, "ETCDBENCH_TEST_FOREIGN="+foreignEtcd(t))
				}
				out, err := cmd.StdoutPipe()
				if err != nil {
					t.Fatal(err)
				}
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				var pids []int
				for range 3 {
					var pid int
					if _, err := fmt.Fscanf(out, "pid %d\n", &pid); err != nil {
						rest, _ := io.ReadAll(out)
						t.Fatalf("parent did not start its members: %v, before %s", err, rest)
					}
					pids = append(pids, pid)
				}
				if oneDead {
					if p, err := os.FindProcess(pids[0]); err != nil || p.Kill() != nil {
						t.Fatal(err)
					}
				}
				if err := end(cmd.Process); err != nil {
					t.Fatal(err)
				}
				_ = cmd.Wait()
				deadline := time.Now().Add(15 * time.Second)
				for _, pid := range pids {
					for alive(pid) {
						if time.Now().After(deadline) {
							t.Fatalf("member process %d is left", pid)
						}
						time.Sleep(20 * time.Millisecond)
					}
				}
				for time.Now().Before(deadline) && len(processesOf(data)) > 0 {
					time.Sleep(20 * time.Millisecond)
				}
				if left := processesOf(data); len(left) > 0 {
					t.Errorf("processes %v are left", left)
				}
				for time.Now().Before(deadline) {
					if entries, _ := os.ReadDir(data); len(entries) == 0 {
						break
					}
					time.Sleep(20 * time.Millisecond)
				}
				isEmpty(t, data)
			})
		}
	}
}

// processesOf lists the processes that have a directory in their arguments.
func processesOf(dir string) (pids []string) {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, f := range files {
		if data, _ := os.ReadFile(f); strings.Contains(string(data), dir+"/") {
			pids = append(pids, f)
		}
	}
	return pids
}

func TestParent(t *testing.T) {
	data := os.Getenv("ETCDBENCH_TEST_PARENT")
	if data == "" {
		t.Skip("only as the child of TestNothingIsLeftBehind")
	}
	s := testSettings(t, 3)
	s.DataDir = data
	c, err := cluster.StartProcesses(t.Context(), cluster.ProcessOptions{Settings: s, Binary: os.Getenv("ETCDBENCH_TEST_FOREIGN")})
	if err != nil {
		t.Fatal(err)
	}
	if os.Getenv("ETCDBENCH_TEST_PAUSE") != "" {
		if err := c.Pause(0); err != nil {
			t.Fatal(err)
		}
	}
	usr := make(chan os.Signal, 1)
	notifyUSR1(usr)
	for _, m := range c.Members() {
		fmt.Printf("pid %d\n", m.PID)
	}
	<-usr
	panic("made to panic")
}
