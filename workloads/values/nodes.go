package values

import "fmt"

// node writes a message core/v1.Node.
func node(d *draft, m *message) {
	m.embed(1, func(m *message) {
		d.identity(m, "", nodeName()...)
		zone := d.one([]string{"eu-central-1a", "eu-central-1b", "eu-central-1c"})
		for _, label := range [][2]string{
			{"beta.kubernetes.io/arch", "amd64"}, {"beta.kubernetes.io/os", "linux"}, {"kubernetes.io/arch", "amd64"},
			{"kubernetes.io/os", "linux"}, {"node.kubernetes.io/instance-type", "m6i.2xlarge"},
			{"topology.kubernetes.io/region", "eu-central-1"}, {"topology.kubernetes.io/zone", zone},
		} {
			m.entry(11, label[0], literal(label[1]))
		}
		m.entry(11, "kubernetes.io/hostname", nodeName()...)
		m.entry(12, "node.alpha.kubernetes.io/ttl", literal("0"))
		m.entry(12, "volumes.kubernetes.io/controller-managed-attach-detach", literal("true"))
		if d.level > 0 {
			m.entry(12, "alpha.kubernetes.io/provided-node-ip", address("10.0", "host")...)
			m.entry(12, "csi.volume.kubernetes.io/nodeid", literal(`{"ebs.csi.aws.com":"i-`), part{draw: hex, length: 17, name: "instance"},
				literal(`"}`))
			m.entry(12, "projectcalico.org/IPv4Address", append(address("10.0", "host"), literal("/20"))...)
		}
		d.managed(m, "kube-controller-manager", "v1", "", 100+200*d.level)
		d.managed(m, "kubelet", "v1", "status", 2+d.filler)
	})
	m.embed(2, func(m *message) {
		network := []part{literal("10.244.1"), {draw: decimal, length: 2, name: "network"}, literal(".0/24")}
		m.parts(1, network...)
		m.text(2, "")
		m.parts(3, literal("aws:///eu-central-1a/i-"), part{draw: hex, length: 17, name: "instance"})
		m.number(4, 0)
		m.parts(7, network...)
	})
	m.embed(3, func(m *message) { nodeStatus(d, m) })
}

func nodeStatus(d *draft, m *message) {
	for field, memory := range []string{"32461564Ki", "31437564Ki"} {
		quantities(m, 1+field, "cpu", "8", "ephemeral-storage", "104845292Ki", "hugepages-1Gi", "0", "hugepages-2Mi", "0", "memory", memory,
			"pods", "110")
	}
	m.text(3, "")
	for i, c := range [][4]string{
		{"NetworkUnavailable", "False", "CalicoIsUp", "Calico is running on this node"},
		{"MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"},
		{"DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"},
		{"PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"},
		{"Ready", "True", "KubeletReady", "kubelet is posting ready status"},
	} {
		m.embed(4, func(m *message) {
			m.text(1, c[0])
			m.text(2, c[1])
			m.time(3, 864_000)
			m.time(4, int64(20+i/4))
			m.text(5, c[2])
			m.text(6, c[3])
		})
	}
	for i, kind := range []string{"InternalIP", "Hostname"} {
		m.embed(5, func(m *message) {
			m.text(1, kind)
			m.parts(2, [][]part{address("10.0", "host"), nodeName()}[i]...)
		})
	}
	m.embed(6, func(m *message) { m.embed(1, func(m *message) { m.number(1, 10250) }) })
	m.embed(7, func(m *message) {
		m.parts(1, part{draw: hex, length: 32})
		m.parts(2, part{draw: uuid, length: uuidLength})
		m.parts(3, part{draw: uuid, length: uuidLength})
		m.text(4, "6.8.0-1021-aws")
		m.text(5, "Ubuntu 24.04.2 LTS")
		m.text(6, "containerd://2.0.4")
		m.text(7, "v1.33.1")
		m.text(8, "v1.33.1")
		m.text(9, "linux")
		m.text(10, "amd64")
	})
	// The kubelet reports 50 images at most.
	for i := range 12 * d.level {
		m.embed(8, func(m *message) {
			name, digest := d.image(apps[i%len(apps)] + fmt.Sprint("-", i))
			m.texts(1, digest, name)
			m.number(2, 20_000_000+uint64(d.rng.IntN(500_000_000)))
		})
	}
}
