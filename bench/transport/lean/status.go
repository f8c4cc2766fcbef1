package lean

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"
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

	pseudo, regular bool   // there is such a field
	badStatus       bool   // grpcStatus is not a number
	details         int    // number of fields with details
	malformed       string // why RFC 9113, section 8, does not allow the block; empty: it does
}

// take notes one field. Of repeated fields, the same count as in grpc-go.
func (h *responseHead) take(f hpack.HeaderField) {
	if problem := h.problem(f); problem != "" && h.malformed == "" {
		h.malformed = fmt.Sprintf("%s %q", problem, clip(f.Name))
	}
	if strings.HasPrefix(f.Name, ":") {
		h.pseudo = true
	} else {
		h.regular = true
	}
	switch f.Name {
	case ":status":
		h.httpStatus = f.Value
	case "content-type":
		if !isGRPC(h.contentType) {
			h.contentType = f.Value
		}
	case "grpc-status":
		if !h.badStatus {
			_, err := strconv.ParseInt(f.Value, 10, 32)
			h.grpcStatus, h.badStatus = f.Value, err != nil
		}
	case "grpc-message":
		h.grpcMessage = f.Value
	case "grpc-status-details-bin":
		h.grpcDetail = f.Value
		h.details++
	}
}

// problem returns why a field may not follow the ones before; empty: it may.
func (h *responseHead) problem(f hpack.HeaderField) string {
	switch pseudo := strings.HasPrefix(f.Name, ":"); {
	case !httpguts.ValidHeaderFieldValue(f.Value):
		return "invalid value of field"
	case pseudo && f.Name != ":status":
		return "unexpected field"
	case pseudo && h.regular:
		return "misplaced field"
	case pseudo && h.pseudo:
		return "repeated field"
	case !pseudo && !isFieldName(f.Name):
		return "invalid name of field"
	}
	return ""
}

// isFieldName reports whether HTTP/2 allows the name of a field that is not a pseudo field.
func isFieldName(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return !httpguts.IsTokenRune(r) || 'A' <= r && r <= 'Z'
	})
}

func (h *responseHead) malformation() error {
	return status.Errorf(codes.Internal, "malformed header: %s", h.malformed)
}

// isGRPC reports whether a content type is gRPC's.
func isGRPC(contentType string) bool {
	rest, ok := strings.CutPrefix(contentType, "application/grpc")
	return ok && (rest == "" || rest[0] == '+' || rest[0] == ';')
}

// isInformational reports whether the block precedes the headers of the final response.
func (h *responseHead) isInformational() bool {
	if isGRPC(h.contentType) || h.badStatus {
		return false
	}
	code, err := strconv.Atoi(h.httpStatus)
	return err == nil && 100 <= code && code < 200
}

// check returns an error if the first header block of a response is not one of a gRPC server.
// As in grpc-go, the content type decides, and the HTTP status gives the reason.
func (h *responseHead) check() error {
	switch {
	case h.badStatus:
		return h.status()
	case isGRPC(h.contentType):
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
	case h.grpcStatus == "0" && h.details == 0:
		return nil
	case h.badStatus:
		return status.Errorf(codes.Unknown, "malformed grpc-status %q", clip(h.grpcStatus))
	case h.grpcStatus == "":
		return status.Error(codes.Unknown, "the server sent trailers without grpc-status")
	}
	n, _ := strconv.ParseInt(h.grpcStatus, 10, 32)
	plain := &spb.Status{Code: int32(n), Message: decodeMessage(h.grpcMessage)}
	if h.details != 1 {
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

// decodeMessage undoes the percent-encoding of a message. Malformed parts stay unchanged, and
// what is not UTF-8 is replaced.
func decodeMessage(text string) string {
	if !strings.Contains(text, "%") {
		return strings.ToValidUTF8(text, "\uFFFD")
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
