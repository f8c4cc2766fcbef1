package lean

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// responseHead is what a header block of a response says.
type responseHead struct {
	httpStatus, contentType, encoding   string
	grpcStatus, grpcMessage, grpcDetail string
}

// take notes one field.
func (h *responseHead) take(f hpack.HeaderField) {
	switch f.Name {
	case ":status":
		h.httpStatus = f.Value
	case "content-type":
		h.contentType = f.Value
	case "grpc-encoding":
		h.encoding = f.Value
	case "grpc-status":
		h.grpcStatus = f.Value
	case "grpc-message":
		h.grpcMessage = f.Value
	case "grpc-status-details-bin":
		h.grpcDetail = f.Value
	}
}

// isGRPC reports whether a content type is gRPC's.
func isGRPC(contentType string) bool {
	rest, ok := strings.CutPrefix(strings.ToLower(contentType), "application/grpc")
	return ok && (rest == "" || rest[0] == '+' || rest[0] == ';')
}

// check returns the error of the first header block of a response, if it is none of a
// gRPC server.
func (h *responseHead) check() error {
	if h.httpStatus == "200" && isGRPC(h.contentType) {
		return nil
	}
	code, err := strconv.Atoi(h.httpStatus)
	switch {
	case h.httpStatus == "":
		return status.Error(codes.Internal, "malformed header: missing HTTP status")
	case err != nil:
		return status.Errorf(codes.Internal, "malformed HTTP status %q", clip(h.httpStatus))
	case h.grpcStatus != "" && code == http.StatusOK:
		return nil // the status says more
	}
	return status.Errorf(codeOfHTTP(code), "unexpected HTTP status code received from server: %d (%s); content-type %q",
		code, http.StatusText(code), clip(h.contentType))
}

// codeOfHTTP is the mapping of "HTTP to gRPC Status Code Mapping" of the gRPC project.
func codeOfHTTP(code int) codes.Code {
	switch code {
	case http.StatusBadRequest:
		return codes.Internal
	case http.StatusUnauthorized:
		return codes.Unauthenticated
	case http.StatusForbidden:
		return codes.PermissionDenied
	case http.StatusNotFound:
		return codes.Unimplemented
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return codes.Unavailable
	}
	return codes.Unknown
}

// status returns the error that trailers state, nil for OK.
func (h *responseHead) status() error {
	if h.grpcStatus == "" {
		return status.Error(codes.Internal, "server closed the stream without sending trailers")
	}
	n, err := strconv.ParseUint(h.grpcStatus, 10, 31)
	if err != nil {
		return status.Errorf(codes.Internal, "malformed grpc-status %q", clip(h.grpcStatus))
	}
	code, message := codes.Code(n), decodeMessage(h.grpcMessage)
	if code == codes.OK {
		return nil
	}
	if h.grpcDetail != "" {
		if s := decodeDetail(h.grpcDetail); s != nil && s.GetCode() == int32(code) {
			return status.ErrorProto(s)
		}
	}
	return status.Error(code, message)
}

// decodeDetail decodes a status with details; nil where it is none.
func decodeDetail(text string) *spb.Status {
	data, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
	var s spb.Status
	if err != nil || proto.Unmarshal(data, &s) != nil {
		return nil
	}
	return &s
}

// decodeMessage undoes the percent-encoding of a message. What is malformed stays as it
// is.
func decodeMessage(text string) string {
	if !strings.Contains(text, "%") {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '%' && i+2 < len(text) {
			if n, err := strconv.ParseUint(text[i+1:i+3], 16, 8); err == nil {
				b.WriteByte(byte(n))
				i += 2
				continue
			}
		}
		b.WriteByte(text[i])
	}
	return strings.ToValidUTF8(b.String(), "\uFFFD")
}

// codeOfReset is the code of a call whose stream the server has reset: the mapping of
// "Errors" in "gRPC over HTTP2".
func codeOfReset(code http2.ErrCode) codes.Code {
	switch code {
	case http2.ErrCodeRefusedStream:
		return codes.Unavailable
	case http2.ErrCodeCancel:
		return codes.Canceled
	case http2.ErrCodeEnhanceYourCalm, http2.ErrCodeFlowControl:
		return codes.ResourceExhausted
	case http2.ErrCodeInadequateSecurity:
		return codes.PermissionDenied
	}
	return codes.Internal
}

func resetError(code http2.ErrCode) error {
	return status.Error(codeOfReset(code), fmt.Sprintf("stream terminated by RST_STREAM with error code: %s", code))
}

// clip bounds what is quoted of a peer.
func clip(s string) string {
	const most = 100
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
