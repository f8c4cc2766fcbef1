package values

// The words that objects are made of. None is changed.
var (
	apps = []string{
		"checkout", "cart", "payment", "catalog", "search", "recommendation", "shipping", "invoice", "identity", "session", "gateway",
		"notifier", "scheduler", "importer", "exporter", "reporting", "pricing", "inventory", "frontend", "audit", "billing", "media",
		"profile", "coredns",
	}
	namespaces = []string{"shop", "payments", "platform", "monitoring", "kube-system", "search", "data", "staging"}
	registries = []string{
		"registry.example.com/shop/", "registry.example.com/platform/", "ghcr.io/example/", "quay.io/example/", "docker.io/library/",
		"registry.k8s.io/",
	}
	versions = []string{"v1.4.2", "v2.0.11", "v0.27.3", "1.27.4-alpine", "v1.33.1", "2026.01.2", "v3.8.0", "sha-4f1c2aa"}
	envNames = []string{
		"LOG_LEVEL", "DATABASE_URL", "CACHE_ADDR", "OTEL_EXPORTER_OTLP_ENDPOINT", "HTTP_PORT", "REGION", "FEATURE_FLAGS", "GOMEMLIMIT",
		"KAFKA_BROKERS", "TLS_CERT_FILE", "MAX_CONNECTIONS", "SERVICE_NAME", "SHUTDOWN_TIMEOUT", "TRACE_SAMPLE_RATIO",
	}
	envValues = []string{
		"info", "postgres://app@postgres.data.svc.cluster.local:5432/app?sslmode=verify-full", "redis.data.svc.cluster.local:6379",
		"http://otel-collector.monitoring.svc.cluster.local:4317", "8080", "eu-central-1", "new-search=true,fast-path=false", "450MiB",
		"kafka-0.kafka.data.svc:9092,kafka-1.kafka.data.svc:9092", "/etc/tls/tls.crt", "200", "30s", "0.05", "true",
	}
	fieldNames = []string{
		"metadata", "labels", "annotations", "app.kubernetes.io/name", "spec", "containers", "image", "imagePullPolicy", "name", "resources",
		"terminationMessagePath", "terminationMessagePolicy", "volumeMounts", "mountPath", "readOnly", "dnsPolicy", "restartPolicy",
		"schedulerName", "securityContext", "terminationGracePeriodSeconds", "status", "conditions", "lastProbeTime",
		"lastTransitionTime", "type", "containerStatuses", "hostIP", "phase", "podIP", "podIPs", "startTime", "lastHeartbeatTime",
		"ownerReferences", "requests", "limits", "cpu", "memory", "ports", "protocol", "containerPort", "livenessProbe", "httpGet",
	}
	fieldKeys    = []string{"name", "type", "mountPath", "containerPort", "uid", "ip", "key"}
	settingNames = []string{
		"server.port", "server.timeout", "log.level", "log.format", "cache.size", "cache.ttl", "database.pool.max", "database.pool.idle",
		"retry.attempts", "retry.backoff", "tracing.enabled", "tracing.endpoint", "feature.checkout.enabled", "limits.requests",
	}
)
