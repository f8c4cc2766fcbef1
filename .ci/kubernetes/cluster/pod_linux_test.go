package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/kubernetes/pkg/fieldpath"
	"k8s.io/kubernetes/third_party/forked/golang/expansion"
)

// prepare makes the root directory of a pod and the command of its container.
func (n *node) prepare(ctx context.Context, pod *corev1.Pod) (*process, error) {
	if len(pod.Spec.Containers) != 1 || len(pod.Spec.InitContainers) != 0 {
		return nil, errors.New("the node runs pods of one container")
	}
	container, root := pod.Spec.Containers[0], filepath.Join(n.dir, string(pod.UID))
	uid, gid := *pod.Spec.SecurityContext.RunAsUser, *pod.Spec.SecurityContext.RunAsGroup
	if err := n.makeRoot(ctx, root); err != nil {
		return nil, err
	}
	for _, mount := range container.VolumeMounts {
		if err := n.mount(ctx, pod, filepath.Join(root, mount.MountPath), mount.Name); err != nil {
			return nil, err
		}
	}
	env, err := n.environment(ctx, pod, container)
	if err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(n.dir, pod.Name+".log"))
	if err != nil {
		return nil, err
	}
	args := []string{"/etcdbench"} // the image's entry point
	for _, a := range container.Args {
		args = append(args, expansion.Expand(a, expansion.MappingFuncFor(env)))
	}
	cmd := &exec.Cmd{Path: args[0], Args: args, Dir: container.WorkingDir, Stdout: log, Stderr: log, Env: []string{"HOSTNAME=" + pod.Name}}
	for name, value := range env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Chroot: root, Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, Pdeathsig: syscall.SIGKILL,
	}
	return &process{pod: pod, root: root, log: log, cmd: cmd, ended: make(chan struct{})}, nil
}

// start mounts /proc and starts the process.
func (p *process) start() error {
	if err := syscall.Mount("proc", filepath.Join(p.root, "proc"), "proc", syscall.MS_RDONLY, ""); err != nil {
		return err
	}
	err := p.cmd.Start()
	if err != nil {
		return errors.Join(err, p.unmount())
	}
	return nil
}

func (p *process) unmount() error {
	return syscall.Unmount(filepath.Join(p.root, "proc"), syscall.MNT_DETACH)
}

// makeRoot makes the root directory of a pod with the program and the hosts.
func (n *node) makeRoot(ctx context.Context, root string) error {
	for _, dir := range []string{"etc", "proc"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			return err
		}
	}
	program, err := os.ReadFile(n.program)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(root, "etcdbench"), program, 0o755); err != nil {
		return err
	}
	services, err := n.client.CoreV1().Services(n.namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	hosts := "127.0.0.1 localhost\n"
	for _, s := range services.Items {
		if s.Spec.ClusterIP == corev1.ClusterIPNone {
			hosts += "127.0.0.1 " + s.Name + "\n"
		}
	}
	return os.WriteFile(filepath.Join(root, "etc/hosts"), []byte(hosts), 0o644)
}

// mount makes the directory of a volume.
func (n *node) mount(ctx context.Context, pod *corev1.Pod, dir, name string) error {
	i := slices.IndexFunc(pod.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == name })
	if i < 0 {
		return fmt.Errorf("no volume %s", name)
	}
	group := int(*pod.Spec.SecurityContext.FSGroup)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	switch volume := pod.Spec.Volumes[i]; {
	case volume.EmptyDir != nil:
		return errors.Join(os.Chown(dir, 0, group), os.Chmod(dir, 0o777|os.ModeSetgid))
	case volume.Secret != nil:
		secret, err := n.client.CoreV1().Secrets(n.namespace).Get(ctx, volume.Secret.SecretName, metav1.GetOptions{})
		if err != nil {
			return err
		}
		for key, value := range secret.Data {
			path, mode := filepath.Join(dir, key), os.FileMode(*volume.Secret.DefaultMode)
			if err := errors.Join(os.WriteFile(path, value, mode), os.Chown(path, 0, group)); err != nil {
				return err
			}
		}
		return nil
	default:
		return fmt.Errorf("the node has no volumes such as %s", name)
	}
}

// environment returns the variables of a container.
func (n *node) environment(ctx context.Context, pod *corev1.Pod, container corev1.Container) (map[string]string, error) {
	env := map[string]string{}
	for _, e := range container.Env {
		from := e.ValueFrom
		switch {
		case from == nil:
			env[e.Name] = e.Value
		case from.FieldRef != nil:
			value, err := fieldpath.ExtractFieldPathAsString(pod, from.FieldRef.FieldPath)
			if err != nil {
				return nil, err
			}
			env[e.Name] = value
		case from.SecretKeyRef != nil:
			secret, err := n.client.CoreV1().Secrets(n.namespace).Get(ctx, from.SecretKeyRef.Name, metav1.GetOptions{})
			if err != nil {
				return nil, err
			}
			value, ok := secret.Data[from.SecretKeyRef.Key]
			if !ok {
				return nil, fmt.Errorf("secret %s has no key %s", secret.Name, from.SecretKeyRef.Key)
			}
			env[e.Name] = string(value)
		default:
			return nil, fmt.Errorf("the node has no variables such as %s", e.Name)
		}
	}
	return env, nil
}
