package workloads_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"golang.org/x/net/http2"
	"golang.org/x/sys/unix"

	"github.com/etcdbench/etcdbench/results"
)

// startCapture captures what is sent to and from address on the loopback interface, with
// the kernel's timestamps. The returned function ends the capture. It returns the times
// from the end of each request to the end of its reply, both when they are sent: the
// service times without the work of the client. startCapture returns nil where the
// process may not capture.
func startCapture(b *testing.B, address string) func() results.Latency {
	b.Helper()
	server, err := netip.ParseAddrPort(address)
	if err != nil {
		b.Fatal(err)
	}
	socket, err := openCapture()
	if errors.Is(err, unix.EPERM) {
		b.Log("no capture: it needs CAP_NET_RAW")
		return nil
	}
	if err != nil {
		b.Fatalf("capture: %v", err)
	}
	w := wire{server: server.Port(), sides: map[side]*frames{}, sent: map[call]time.Time{}, times: results.NewHistogram()}
	stop, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- w.read(socket, stop) }()
	return func() results.Latency {
		close(stop)
		if err := errors.Join(<-done, unix.Close(socket)); err != nil {
			b.Fatalf("capture: %v", err)
		}
		l, err := results.NewLatency(w.times)
		if err != nil {
			b.Fatal(err)
		}
		return l
	}
}

// openCapture opens a socket that receives the IP packets of the loopback interface.
func openCapture() (int, error) {
	loopback, err := net.InterfaceByName("lo")
	if err != nil {
		return 0, err
	}
	protocol := binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, unix.ETH_P_ALL))
	socket, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	err = errors.Join(
		unix.SetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1),
		unix.SetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 64<<20),
		unix.SetsockoptTimeval(socket, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 50_000}),
		unix.Bind(socket, &unix.SockaddrLinklayer{Protocol: protocol, Ifindex: loopback.Index}),
	)
	if err != nil {
		err = errors.Join(err, unix.Close(socket))
	}
	return socket, err
}

// wire matches the requests and replies of a capture that begins and ends while the
// connections are idle.
type wire struct {
	server uint16 // port
	sides  map[side]*frames
	sent   map[call]time.Time // ends of the requests that have no reply
	times  *hdrhistogram.Histogram
}

// side is one direction of a connection, named by the client's port.
type side struct {
	client uint16
	reply  bool
}

type call struct {
	client uint16
	stream uint32
}

// frames is what was sent in one direction and is not the whole of a frame yet.
type frames struct {
	next  uint32 // TCP sequence number
	bytes []byte
}

// read reads packets until stop is closed and none is left.
func (w *wire) read(socket int, stop <-chan struct{}) error {
	packet, control := make([]byte, 1<<17), make([]byte, 256)
	for {
		n, controlled, _, from, err := unix.Recvmsg(socket, packet, control, 0)
		if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) {
			select {
			case <-stop:
				return nil
			default:
				continue
			}
		}
		if err != nil {
			return fmt.Errorf("receive a packet: %w", err)
		}
		// The loopback interface delivers each packet twice: as sent and as received.
		if link, ok := from.(*unix.SockaddrLinklayer); !ok || link.Pkttype != unix.PACKET_OUTGOING {
			continue
		}
		at, err := timestamp(control[:controlled])
		if err != nil {
			return err
		}
		if err := w.packet(packet[:n], at); err != nil {
			return err
		}
	}
}

func timestamp(control []byte) (time.Time, error) {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return time.Time{}, err
	}
	for _, m := range messages {
		if m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SO_TIMESTAMPNS && len(m.Data) >= 16 {
			seconds, nanos := binary.NativeEndian.Uint64(m.Data), binary.NativeEndian.Uint64(m.Data[8:])
			return time.Unix(int64(seconds), int64(nanos)), nil
		}
	}
	return time.Time{}, errors.New("a packet without a timestamp")
}

// packet takes an IPv4 packet that was sent at a time.
func (w *wire) packet(ip []byte, at time.Time) error {
	if len(ip) < 20 || ip[0]>>4 != 4 || ip[9] != unix.IPPROTO_TCP {
		return nil
	}
	size, header := int(binary.BigEndian.Uint16(ip[2:])), int(ip[0]&0xf)*4
	if size == 0 { // segmented by no device
		size = len(ip)
	}
	tcp := ip[header:min(size, len(ip))]
	from, to, seq := binary.BigEndian.Uint16(tcp), binary.BigEndian.Uint16(tcp[2:]), binary.BigEndian.Uint32(tcp[4:])
	payload := tcp[int(tcp[12]>>4)*4:]
	if len(payload) == 0 || from != w.server && to != w.server {
		return nil
	}
	key := side{client: from}
	if from == w.server {
		key = side{client: to, reply: true}
	}
	f := w.sides[key]
	if f == nil {
		f = &frames{next: seq}
		w.sides[key] = f
	}
	if seq != f.next {
		return fmt.Errorf("packets were lost or sent again: sequence number %d, want %d", seq, f.next)
	}
	f.next += uint32(len(payload))
	f.bytes = append(f.bytes, payload...)
	for {
		kind, flags, stream, ok := f.frame()
		if !ok {
			return nil
		}
		if ends := kind == http2.FrameData || kind == http2.FrameHeaders; ends && flags.Has(http2.FlagDataEndStream) {
			w.end(key, stream, at)
		}
	}
}

// frame removes the first frame, where the whole of it was sent.
func (f *frames) frame() (http2.FrameType, http2.Flags, uint32, bool) {
	const header = 9
	if len(f.bytes) < header {
		return 0, 0, 0, false
	}
	size := header + int(f.bytes[0])<<16 + int(f.bytes[1])<<8 + int(f.bytes[2])
	if len(f.bytes) < size {
		return 0, 0, 0, false
	}
	kind, flags, stream := http2.FrameType(f.bytes[3]), http2.Flags(f.bytes[4]), binary.BigEndian.Uint32(f.bytes[5:])
	f.bytes = f.bytes[:copy(f.bytes, f.bytes[size:])]
	return kind, flags, stream, true
}

// end notes the end of a request, or of its reply.
func (w *wire) end(key side, stream uint32, at time.Time) {
	c := call{client: key.client, stream: stream}
	if !key.reply {
		w.sent[c] = at
		return
	}
	if sent, ok := w.sent[c]; ok {
		delete(w.sent, c)
		_ = w.times.RecordValue(int64(at.Sub(sent))) // in range
	}
}
