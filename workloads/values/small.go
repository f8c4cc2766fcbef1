package values

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strings"
)

// lease writes a message coordination/v1.Lease, such as the kubelet renews.
func lease(d *draft, m *message) {
	m.embed(1, func(m *message) {
		d.identity(m, "kube-node-lease", nodeName()...)
		if d.level > 0 {
			d.owner(m, "v1", "Node", part{draw: uuid, length: uuidLength}, nodeName()...)
		}
		d.managed(m, "kubelet", "coordination.k8s.io/v1", "", 2+d.filler)
	})
	m.embed(2, func(m *message) {
		m.parts(1, nodeName()...)
		m.number(2, 40)
		m.microTime(4, 864_000)
	})
}

// event writes a message core/v1.Event about a pod.
func event(d *draft, m *message) {
	app, namespace := d.one(apps), d.one(namespaces)
	image, _ := d.image(app)
	pod := []part{literal(app + "-" + d.hash(9) + "-"), {draw: suffix, length: 5, name: "pod"}}
	reason, component, text := "Created", "kubelet", []part{literal("Created container: " + app)}
	switch d.rng.IntN(5) {
	case 0:
		reason, component = "Scheduled", "default-scheduler"
		text = append([]part{literal("Successfully assigned " + namespace + "/")}, pod...)
		text = append(append(text, literal(" to ")), nodeName()...)
	case 1:
		reason, text = "Pulled", []part{literal(`Container image "` + image + `" already present on machine`)}
	case 2:
		reason = "Unhealthy"
		text = append([]part{literal(`Readiness probe failed: Get "http://`)}, address("10.244", "pod")...)
		text = append(text, literal(`:8080/ready": context deadline exceeded`))
	case 3:
		reason, text = "BackOff", append([]part{literal("Back-off restarting failed container " + app + " in pod ")}, pod...)
	}
	m.embed(1, func(m *message) {
		d.identity(m, namespace, append(pod[:len(pod):len(pod)], literal("."), part{draw: hex, length: 16})...)
		d.managed(m, component, "v1", "", 2+150*d.level+d.filler)
	})
	m.embed(2, func(m *message) {
		m.text(1, "Pod")
		m.text(2, namespace)
		m.parts(3, pod...)
		m.parts(4, part{draw: uuid, length: uuidLength})
		m.text(5, "v1")
		if d.level > 0 {
			m.parts(6, literal("1"), part{draw: decimal, length: 7})
			m.text(7, "spec.containers{"+app+"}")
		}
	})
	m.text(3, reason)
	m.parts(4, text...)
	m.embed(5, func(m *message) { m.text(1, component); m.parts(2, nodeName()...) })
	m.time(6, 0)
	m.time(7, int64(d.rng.IntN(600)))
	m.number(8, 1+uint64(d.rng.IntN(100)))
	m.text(9, map[bool]string{true: "Warning", false: "Normal"}[reason == "Unhealthy" || reason == "BackOff"])
	m.embed(10, func(*message) {})
	m.text(12, "")
	if d.level > 0 {
		m.text(14, component)
		m.parts(15, nodeName()...)
	}
}

// configMap writes a message core/v1.ConfigMap: the settings of an application, or the
// certificate of the cluster, which each namespace has.
func configMap(d *draft, m *message) {
	app := d.one(apps)
	hasCertificate := d.level > 0 && d.rng.IntN(3) == 0
	m.embed(1, func(m *message) {
		d.identity(m, d.one(namespaces), literal(app+"-"), part{draw: suffix, length: 10})
		m.entry(11, "app.kubernetes.io/name", literal(app))
		d.managed(m, "helm", "v1", "", 2+80*d.level)
	})
	if hasCertificate {
		m.entry(2, "ca.crt", literal(certificate()))
	}
	m.entry(2, "config.properties", literal(d.settings(d.filler)))
}

// certificate returns a constant text that resembles a certificate of 800 bytes.
func certificate() string {
	der := make([]byte, 800)
	rng := rand.New(rand.NewPCG(0, 0))
	for i := range der {
		der[i] = byte(rng.Uint32())
	}
	text, lines := base64.StdEncoding.EncodeToString(der), strings.Builder{}
	for ; len(text) > 64; text = text[64:] {
		lines.WriteString(text[:64] + "\n")
	}
	return "-----BEGIN CERTIFICATE-----\n" + lines.String() + text + "\n-----END CERTIFICATE-----\n"
}

// settings returns the text of a settings file of length bytes.
func (d *draft) settings(length int) string {
	d = d.apart()
	var b strings.Builder
	for b.Len() < length {
		fmt.Fprintf(&b, "%s.%s=%d\n", d.one(apps), d.one(settingNames), d.rng.IntN(10_000))
	}
	return b.String()[:length]
}
