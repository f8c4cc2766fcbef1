//go:build !unix

package machine

func (u *Usage) readProcess() {}
