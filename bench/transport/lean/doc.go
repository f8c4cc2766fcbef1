// Package lean carries unary gRPC calls over HTTP/2 at a fraction of the CPU time that
// grpc-go takes. It is made for load generators: many small calls on a few
// connections, each with a deadline, none of which is retried.
//
// A [Conn] is one HTTP/2 connection to one address, which is replaced when it breaks.
// [Conn.Invoke] makes a call and waits; [Conn.Start] starts one, and the goroutine that
// reads the connection reports its end. Streams are left to grpc-go.
//
// What makes it cheap: requests are marshalled into one buffer of the connection, which
// leaves in one write; headers that were sent before take a byte each; replies are
// parsed where they were read; deadlines are kept in one list for all calls, without a
// timer or a context for each. Writes never block: what the socket does not take is
// written by a goroutine of its own, so that a peer that stops reading holds up neither
// the reader nor the starter of calls.
//
// The protocol is that of RFC 9113 (HTTP/2), RFC 7541 (HPACK, by golang.org/x/net) and
// "gRPC over HTTP2" of the gRPC project. Errors have the same codes as grpc-go's.
package lean
