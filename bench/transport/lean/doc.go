// Package lean carries unary gRPC calls over HTTP/2 with a fraction of the CPU time of
// grpc-go. It is made for load generators: many small calls on a few connections, each with a
// deadline, none of which is retried.
//
// A [Conn] is one HTTP/2 connection to one address, which is replaced when it breaks.
// [Conn.Invoke] makes a call and waits. [Conn.Start] starts a call, and the goroutine that
// reads the connection reports its end. grpc-go carries streams.
//
// CPU time is saved by these means. Requests are marshalled into one buffer of the connection,
// which is sent with one write. Headers that were sent before take a byte each. Replies are
// parsed in the read buffer. Deadlines are kept in one list for all calls, without a timer or
// a context for each. Writes never block: a separate goroutine writes what the socket does not
// accept, so that a peer that stops reading delays neither the reader nor the start of calls.
//
// The protocol is that of RFC 9113 (HTTP/2), RFC 7541 (HPACK, by golang.org/x/net) and "gRPC
// over HTTP2" of the gRPC project. Errors have the same codes as in grpc-go.
package lean
