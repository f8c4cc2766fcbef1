package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// tryEndpoints replaces a member's metrics and profiles by invalid ones.
func tryEndpoints(t *trial) error {
	names := []string{"nan", "infinite", "endless", "long line", "silent", "bomb", "redirect", "garbage"}
	how := pick(t, names)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { serveOdd(how, w, r) })}
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	address := "http://" + l.Addr().String()
	err = t.against(t.endpoint, how+" metrics and profiles",
		"--metrics-endpoints", address, "--pprof-endpoints", address, "--profile", "cpu,heap")
	_ = server.Close()
	<-done
	return err
}

// serveOdd answers a request with the named kind of invalid reply.
func serveOdd(how string, w http.ResponseWriter, r *http.Request) {
	write := func(text string) bool { _, err := io.WriteString(w, text); return err == nil }
	switch how {
	case "nan":
		write("# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total NaN\n")
	case "infinite":
		write("process_cpu_seconds_total +Inf\netcd_mvcc_put_total -Inf\netcd_server_quota_backend_bytes 1e308\n")
	case "endless":
		for write(strings.Repeat("etcd_mvcc_put_total 1\n", 1000)) {
		}
	case "long line":
		for write(strings.Repeat("x", 1<<16)) {
		}
	case "silent":
		select {
		case <-r.Context().Done():
		case <-time.After(time.Minute):
		}
	case "bomb":
		for bomb := zeros(); write(bomb); {
		}
	case "redirect":
		http.Redirect(w, r, r.URL.Path, http.StatusFound)
	default:
		write(fmt.Sprintf("\x1b[31m%s\x00", r.URL))
	}
}

// zeros is a compressed stream of 64 MiB of zeros; several, one after the other, are one.
func zeros() string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	for range 64 {
		_, _ = z.Write(make([]byte, 1<<20)) // to memory
	}
	_ = z.Close()
	return b.String()
}
