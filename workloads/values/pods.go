package values

import "fmt"

// pod writes a message core/v1.Pod.
func pod(d *draft, m *message) {
	app, namespace := d.one(apps), d.one(namespaces)
	set := app + "-" + d.hash(9)
	name := []part{literal(set + "-"), {draw: suffix, length: 5, name: "name"}}
	containers := 1 + d.level/2
	m.embed(1, func(m *message) { podMeta(d, m, app, namespace, set, name) })
	m.embed(2, func(m *message) { podSpec(d, m, app, containers) })
	m.embed(3, func(m *message) { podStatus(d, m, app, containers) })
}

func podMeta(d *draft, m *message, app, namespace, set string, name []part) {
	d.identity(m, namespace, name...)
	for _, label := range [][2]string{
		{"app", app}, {"app.kubernetes.io/name", app}, {"app.kubernetes.io/instance", app + "-" + namespace},
		{"app.kubernetes.io/version", d.one(versions)}, {"pod-template-hash", set[len(app)+1:]},
	} {
		m.entry(11, label[0], literal(label[1]))
	}
	if d.level > 0 {
		m.entry(12, "checksum/config", literal(d.hash(64)))
		m.entry(12, "cni.projectcalico.org/containerID", part{draw: hex, length: 64})
		m.entry(12, "cni.projectcalico.org/podIP", append(address("10.244", "pod"), literal("/32"))...)
		m.entry(12, "prometheus.io/port", literal("9090"))
		m.entry(12, "prometheus.io/scrape", literal("true"))
	}
	d.owner(m, "apps/v1", "ReplicaSet", literal(d.uuid()), literal(set))
	d.managed(m, "kube-controller-manager", "v1", "", 100+250*d.level)
	d.managed(m, "kubelet", "v1", "status", 2+d.filler)
}

func podSpec(d *draft, m *message, app string, containers int) {
	token := []part{literal("kube-api-access-"), {draw: suffix, length: 5, name: "token"}}
	m.embed(1, func(m *message) { tokenVolume(m, token) })
	if d.level > 1 {
		m.embed(1, func(m *message) {
			m.text(1, "config")
			m.embed(2, func(m *message) {
				m.embed(19, func(m *message) { m.embed(1, func(m *message) { m.text(1, app+"-config") }); m.number(3, 420) })
			})
		})
	}
	for i := range containers {
		m.embed(2, func(m *message) { container(d, m, containerName(app, i), token) })
	}
	m.text(3, "Always")
	m.number(4, 30)
	m.text(6, "ClusterFirst")
	m.text(8, app)
	m.text(9, app)
	m.parts(10, nodeName()...)
	m.number(11, 0)
	m.number(12, 0)
	m.number(13, 0)
	m.embed(14, func(*message) {})
	m.text(19, "default-scheduler")
	for _, key := range []string{"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"} {
		m.embed(22, func(m *message) {
			m.text(1, key)
			m.text(2, "Exists")
			m.text(3, "")
			m.text(4, "NoExecute")
			m.number(5, 300)
		})
	}
	m.number(25, 0)
	m.number(30, 1)
	m.text(31, "PreemptLowerPriority")
}

// tokenVolume writes the volume of a service account's token, which every pod has.
func tokenVolume(m *message, name []part) {
	m.parts(1, name...)
	m.embed(2, func(m *message) {
		m.embed(26, func(m *message) {
			m.embed(1, func(m *message) {
				m.embed(4, func(m *message) { m.text(1, ""); m.number(2, 3607); m.text(3, "token") })
			})
			m.embed(1, func(m *message) {
				m.embed(3, func(m *message) {
					m.embed(1, func(m *message) { m.text(1, "kube-root-ca.crt") })
					m.embed(2, func(m *message) { m.text(1, "ca.crt"); m.text(2, "ca.crt") })
				})
			})
			m.number(2, 420)
		})
	})
}

func containerName(app string, i int) string {
	return []string{app, "istio-proxy", "log-shipper"}[i%3]
}

func container(d *draft, m *message, name string, token []part) {
	image, _ := d.image(name)
	m.text(1, name)
	m.text(2, image)
	m.texts(4, "--config=/etc/"+name+"/config.yaml", "--metrics-bind-address=:9090")
	m.embed(6, func(m *message) {
		m.text(1, "http")
		m.number(2, 0)
		m.number(3, 8080)
		m.text(4, "TCP")
		m.text(5, "")
	})
	for range 3 * d.level {
		m.embed(7, func(m *message) { m.text(1, d.one(envNames)); m.text(2, d.one(envValues)) })
	}
	m.embed(8, func(m *message) {
		quantities(m, 1, "cpu", "500m", "memory", "512Mi")
		quantities(m, 2, "cpu", "100m", "memory", "256Mi")
	})
	m.embed(9, func(m *message) {
		m.parts(1, token...)
		m.number(2, 1)
		m.text(3, "/var/run/secrets/kubernetes.io/serviceaccount")
		m.text(4, "")
	})
	if d.level > 0 {
		m.embed(10, func(m *message) { probe(m, "/healthz") })
		m.embed(11, func(m *message) { probe(m, "/ready") })
	}
	m.text(13, "/dev/termination-log")
	m.text(14, "IfNotPresent")
	m.number(16, 0)
	m.number(17, 0)
	m.number(18, 0)
	m.text(20, "File")
}

func probe(m *message, path string) {
	m.embed(1, func(m *message) {
		m.embed(2, func(m *message) {
			m.text(1, path)
			m.embed(2, func(m *message) { m.number(1, 0); m.number(2, 8080); m.text(3, "") })
			m.text(3, "")
			m.text(4, "HTTP")
		})
	})
	for field, n := range []uint64{5, 1, 10, 1, 3} {
		m.number(2+field, n)
	}
}

func podStatus(d *draft, m *message, app string, containers int) {
	m.text(1, "Running")
	for i, condition := range []string{"PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"} {
		m.embed(2, func(m *message) {
			m.text(1, condition)
			m.text(2, "True")
			m.embed(3, func(*message) {})
			m.time(4, int64(4-i))
			m.text(5, "")
			m.text(6, "")
		})
	}
	m.text(3, "")
	m.text(4, "")
	m.parts(5, address("10.0", "host")...)
	m.parts(6, address("10.244", "pod")...)
	m.time(7, 1)
	for i := range containers {
		m.embed(8, func(m *message) { containerStatus(d, m, containerName(app, i), fmt.Sprint("container", i)) })
	}
	m.text(9, "Burstable")
	m.embed(12, func(m *message) { m.parts(1, address("10.244", "pod")...) })
	m.embed(16, func(m *message) { m.parts(1, address("10.0", "host")...) })
}

func containerStatus(d *draft, m *message, name, id string) {
	image, digest := d.image(name)
	m.text(1, name)
	m.embed(2, func(m *message) { m.embed(2, func(m *message) { m.time(1, 4) }) })
	m.embed(3, func(*message) {})
	m.number(4, 1)
	m.number(5, 0)
	m.text(6, image)
	m.text(7, digest)
	m.parts(8, literal("containerd://"), part{draw: hex, length: 64, name: id})
	m.number(9, 1)
}

// uuid returns a UUID that is the same in all values of a template.
func (d *draft) uuid() string {
	return d.hash(8) + "-" + d.hash(4) + "-4" + d.hash(3) + "-a" + d.hash(3) + "-" + d.hash(12)
}
