// Package manifest writes the Kubernetes objects of a distributed run: a Job of the
// coordinator with a headless Service, and an Indexed Job of the agents.
package manifest

import (
	_ "embed"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"text/template"
	"time"
	"unicode/utf8"
)

// Port is the port on which the coordinator listens.
const Port = 2389

// CredentialsDir is the directory in which pods have the files of the Secret with the
// credentials of the cluster under test.
const CredentialsDir = "/credentials"

// Options describes the objects of a manifest.
type Options struct {
	// Name is the first part of the objects' names.
	Name string
	// Namespace is the namespace of the objects. If it is empty, the command that applies the
	// manifest decides.
	Namespace string
	Image     string
	Agents    int
	// JoinSecret names the Secret that has the join token under the key "token".
	JoinSecret string
	// Secret names a Secret with credentials of the cluster under test: its keys become files
	// in [CredentialsDir], and "password" is the password of the user. It may be empty.
	Secret string
	// Claim names the PersistentVolumeClaim for the results. Without one, they are lost with
	// the coordinator's pod.
	Claim string
	// CPU and Memory are the resource requests of each pod. Memory is also its limit.
	CPU, Memory string
	// JoinTimeout bounds the time for which coordinator and agents wait for each other.
	JoinTimeout time.Duration
	// Command is the coordinator's command (run, gate, qualify, capacity or tune) and its
	// arguments.
	Command []string
}

// part is one of the two Jobs.
type part struct {
	Options
	Name      string
	Instance  string
	Component string
	Count     int
	Arguments []string
}

// document is the data of the template.
type document struct {
	Coordinator, Agents part
	TokenCommand        string
	Port                int
}

//go:embed manifest.yaml.tmpl
var text string

// Coordinator returns the name of the coordinator's Job and Service, which is also its host
// name in the namespace.
func (o Options) Coordinator() string { return o.Name + "-coordinator" }

// TokenCommand returns the shell command that creates the Secret with the join token.
func (o Options) TokenCommand() string {
	command := fmt.Sprintf("etcdbench agent token --host %s | kubectl create secret generic %s --from-file=token=/dev/stdin",
		o.Coordinator(), o.JoinSecret)
	if o.Namespace != "" {
		command += " --namespace " + o.Namespace
	}
	return command
}

// Write writes the manifest as YAML. It returns an error, and writes nothing, if Kubernetes
// would reject the options.
func Write(w io.Writer, o Options) error {
	if err := o.check(); err != nil {
		return err
	}
	t, err := template.New("manifest").Funcs(template.FuncMap{"quote": quote, "argument": argument}).Parse(text)
	if err != nil {
		return err
	}
	wait := "--join-timeout=" + o.JoinTimeout.String()
	command := []string{o.Command[0], fmt.Sprintf("--agents=%d", o.Agents), fmt.Sprintf("--coordinator-listen=:%d", Port), wait}
	coordinator := part{
		Options: o, Name: o.Coordinator(), Instance: o.Name, Component: "coordinator", Count: 1, Arguments: append(command, o.Command[1:]...),
	}
	agents := part{
		Options: o, Name: o.Name + "-agent", Instance: o.Name, Component: "agent", Count: o.Agents,
		Arguments: []string{"agent", fmt.Sprintf("--join=https://%s:%d", o.Coordinator(), Port), wait},
	}
	agents.Claim = "" // agents save no results
	return t.Execute(w, document{coordinator, agents, o.TokenCommand(), Port})
}

// quote returns a YAML scalar in double quotes. YAML accepts all escapes that Go uses in a
// valid string.
func quote(s string) string { return strconv.QuoteToASCII(s) }

// argument returns the scalar of an argument. Kubernetes replaces $(NAME) in arguments,
// and $$ by one $.
func argument(s string) string { return quote(strings.ReplaceAll(s, "$", "$$")) }

// maxName is the largest length of the name. It leaves room for the suffix in the host name of
// a pod, which has at most 63 characters.
const maxName = 40

// maxAgents is the largest number of indexes of an Indexed Job with a limit for each index.
const maxAgents = 10000

var (
	label    = regexp.MustCompile(`^[a-z]([a-z0-9-]*[a-z0-9])?$`)
	object   = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$`)
	quantity = regexp.MustCompile(`^[0-9]+(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$`)
)

// check returns an error if Kubernetes would reject the options.
func (o Options) check() error {
	for _, n := range []struct {
		flag, value string
		optional    bool
		form        *regexp.Regexp
		longest     int
	}{
		{"name", o.Name, false, label, maxName}, {"namespace", o.Namespace, true, label, 63}, {"join-secret", o.JoinSecret, false, object, 253},
		{"secret", o.Secret, true, object, 253}, {"claim", o.Claim, true, object, 253},
	} {
		if n.value == "" && n.optional {
			continue
		}
		if len(n.value) > n.longest || !n.form.MatchString(n.value) {
			return fmt.Errorf("--%s must be a Kubernetes name of at most %d characters, got %q", n.flag, n.longest, n.value)
		}
	}
	for _, q := range []struct{ flag, value string }{{"cpu", o.CPU}, {"memory", o.Memory}} {
		if !quantity.MatchString(q.value) {
			return fmt.Errorf("--%s must be a quantity such as 500m or 2Gi, got %q", q.flag, q.value)
		}
	}
	switch {
	case o.Agents < 1 || o.Agents > maxAgents:
		return fmt.Errorf("--agents must be between 1 and %d, got %d", maxAgents, o.Agents)
	case o.Image == "" || strings.ContainsAny(o.Image, " \t\r\n"):
		return fmt.Errorf("--image must name a container image, got %q", o.Image)
	case o.JoinTimeout <= 0:
		return fmt.Errorf("--join-timeout must be positive, got %v", o.JoinTimeout)
	case len(o.Command) == 0:
		return errors.New("the coordinator's command is missing: give it after --, such as: -- run put --endpoints http://etcd:2379")
	}
	for _, a := range append([]string{o.Image}, o.Command...) {
		if !utf8.ValidString(a) || strings.ContainsRune(a, 0) {
			return fmt.Errorf("%q is not valid text", a)
		}
	}
	return nil
}
