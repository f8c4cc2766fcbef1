package live

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

//go:embed web
var webFiles embed.FS

const (
	// sendTimeout bounds the writing of an event, reportTimeout that of a report. After it, the
	// connection is closed, and the browser reconnects.
	sendTimeout   = 10 * time.Second
	reportTimeout = time.Minute
	// keepalive is the time between two lines of a stream that has no events.
	keepalive = 15 * time.Second
)

// Serve answers browsers at a listener until the listener is closed. host is the name or
// address that the user gave for it.
func (p *Page) Serve(l net.Listener, host string) error { return serve(l, p.Handler(host)) }

// Handler returns the handler for browsers: the page at /, the stream of events at /events, the
// report of the present run at /report and the report of each run at /runs/NUMBER, from 1. It
// answers requests to localhost, to host and to IP addresses. It rejects requests to other
// names, which a foreign page may have pointed to this machine (DNS rebinding).
func (p *Page) Handler(host string) http.Handler {
	mux := http.NewServeMux()
	for path, file := range map[string]string{"/{$}": "live.html", "/live.css": "live.css", "/live.js": "live.js"} {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "+
				"frame-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
			http.ServeFileFS(w, r, webFiles, "web/"+file)
		})
	}
	mux.HandleFunc("GET /events", p.serveEvents)
	mux.HandleFunc("GET /report", func(w http.ResponseWriter, _ *http.Request) {
		report, err := p.current()
		sendReport(w, report, err)
	})
	mux.HandleFunc("GET /runs/{number}", func(w http.ResponseWriter, r *http.Request) {
		n, err := strconv.Atoi(r.PathValue("number"))
		if err != nil {
			http.NotFound(w, r)
			return
		}
		report, err := p.report(n - 1)
		sendReport(w, report, err)
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !answersTo(r.Host, host) {
			http.Error(w, "unknown host name: open this page by its address", http.StatusForbidden)
			return
		}
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		mux.ServeHTTP(w, r)
	})
}

// answersTo reports whether the Host of a request is an IP address, localhost, or the given
// name of the server.
func answersTo(requested, given string) bool {
	name, _, err := net.SplitHostPort(requested)
	if err != nil {
		name = requested
	}
	name = strings.TrimSuffix(strings.TrimPrefix(name, "["), "]")
	if _, err := netip.ParseAddr(name); err == nil {
		return true
	}
	return strings.EqualFold(name, "localhost") || name != "" && strings.EqualFold(name, given)
}

// sendReport answers with a report, or with the error that there is none.
func sendReport(w http.ResponseWriter, report []byte, err error) {
	switch {
	case errors.Is(err, errNoReport):
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	case err != nil:
		http.Error(w, "write report: "+err.Error(), http.StatusInternalServerError)
		return
	}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(reportTimeout))
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "frame-ancestors 'self'")
	_, _ = w.Write(report)
}

// serveEvents sends the complete state at the beginning and after changes, until the browser
// disconnects. Changes while an event is being sent are part of the next event.
func (p *Page) serveEvents(w http.ResponseWriter, r *http.Request) {
	changed, leave, ok := p.join()
	if !ok {
		http.Error(w, "too many open pages: close one", http.StatusServiceUnavailable)
		return
	}
	defer leave()
	w.Header().Set("Content-Type", "text/event-stream")
	for {
		sent, later := time.Now(), time.Duration(0)
		s := p.state()
		if !s.Ended {
			s.Version, later = p.maker.available(s.Version)
		}
		data, err := json.Marshal(s)
		if err != nil || send(w, "data: "+string(data)) != nil {
			return
		}
		if s.Ended { // the browser disconnects when it has the final page
			<-r.Context().Done()
			return
		}
		if !p.nextChange(w, r, changed, later) || !p.pause(r, leastPause-time.Since(sent)) {
			return
		}
	}
}

// nextChange waits for a change, or for the time later until a newer report is available,
// unless later is 0. It returns false when the browser has disconnected.
func (p *Page) nextChange(w http.ResponseWriter, r *http.Request, changed <-chan struct{}, later time.Duration) bool {
	var report <-chan time.Time
	if later > 0 {
		report = time.After(later)
	}
	for {
		select {
		case <-changed:
			return true
		case <-report:
			return true
		case <-time.After(keepalive):
			if send(w, ": nothing new") != nil {
				return false
			}
		case <-r.Context().Done():
			return false
		}
	}
}

// pause waits for the given time or for the end. It returns false when the browser has
// disconnected.
func (p *Page) pause(r *http.Request, d time.Duration) bool {
	select {
	case <-time.After(d):
	case <-p.ended:
	case <-r.Context().Done():
		return false
	}
	return true
}

// send writes one event or comment of a stream.
func send(w http.ResponseWriter, text string) error {
	c := http.NewResponseController(w)
	if err := c.SetWriteDeadline(time.Now().Add(sendTimeout)); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(w, "%s\n\n", text); err != nil {
		return err
	}
	return c.Flush()
}
