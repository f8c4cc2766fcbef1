package lean

import (
	"encoding/base64"
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

// responseHead is the content of a header block of a response.
type responseHead struct {
	httpStatus, contentType             string
	grpcStatus, grpcMessage, grpcDetail string
}

// take notes one field.
func (h *responseHead) take(f hpack.HeaderField) {
	switch f.Name {
	case ":status":
		h.httpStatus = f.Value
	case "content-type":
		h.contentType = f.Value
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
	rest, ok := strings.CutPrefix(contentType, "application/grpc")
	return ok && (rest == "" || rest[0] == '+' || rest[0] == ';')
}

// isInformational reports whether the block precedes the headers of the final response.
func (h *responseHead) isInformational() bool {
	return len(h.httpStatus) == 3 && h.httpStatus[0] == '1' && !isGRPC(h.contentType)
}

// check returns an error if the first header block of a response is not one of a gRPC server.
// As in grpc-go, the content type decides, and the HTTP status gives the reason.
func (h *responseHead) check() error {
	if isGRPC(h.contentType) {
		return nil
	}
	code, err := strconv.Atoi(h.httpStatus)
	switch {
	case h.httpStatus == "":
		return status.Error(codes.Internal, "malformed header: missing HTTP status")
	case err != nil:
		return status.Errorf(codes.Internal, "malformed HTTP status %q", clip(h.httpStatus))
	case h.isInformational():
		return status.Errorf(codes.Internal, "informational response %d at the end of a stream", code)
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
	switch {
	case h.grpcStatus == "0" && h.grpcDetail == "":
		return nil
	case h.grpcStatus == "":
		return status.Error(codes.Unknown, "the server sent trailers without grpc-status")
	}
	n, err := strconv.ParseInt(h.grpcStatus, 10, 32)
	if err != nil {
		return status.Errorf(codes.Unknown, "malformed grpc-status %q", clip(h.grpcStatus))
	}
	plain := &spb.Status{Code: int32(n), Message: decodeMessage(h.grpcMessage)}
	if h.grpcDetail == "" {
		return status.ErrorProto(plain)
	}
	detail, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(h.grpcDetail, "="))
	if err != nil {
		return status.Error(codes.Internal, "malformed grpc-status-details-bin")
	}
	var detailed spb.Status
	switch {
	case proto.Unmarshal(detail, &detailed) != nil:
		return status.ErrorProto(plain)
	case detailed.GetCode() != plain.GetCode():
		return status.Errorf(codes.Internal, "grpc-status %d, but %d in grpc-status-details-bin", plain.GetCode(), detailed.GetCode())
	}
	return status.ErrorProto(&detailed)
}

// decodeMessage undoes the percent-encoding of a message. Malformed parts stay unchanged.
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

// codeOfReset is the code of a call whose stream the server has reset: the mapping of "Errors"
// in "gRPC over HTTP2".
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
	if code > http2.ErrCodeHTTP11Required {
		return codes.Unknown
	}
	return codes.Internal
}

func resetError(code http2.ErrCode) error {
	return status.Errorf(codeOfReset(code), "stream terminated by RST_STREAM with error code: %s", code)
}

// clip bounds the length of a quotation from a peer.
func clip(s string) string {
	const most = 100
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
