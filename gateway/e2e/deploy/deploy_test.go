package deploy

import (
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sockgate/sockgate/gateway/e2e/internal/program"
	"github.com/sockgate/sockgate/gateway/e2e/internal/tree"
)

func TestMain(m *testing.M) { program.Main(m) }

const (
	composeFiles    = "gateway/deploy/compose"
	kubernetesFiles = "gateway/deploy/kubernetes"
)

var flagGiven = regexp.MustCompile(`^--([a-z0-9-]+)(?:=.*)?$`)

// flagsOf returns the flags that a deployment file gives to a gateway, as arguments and in the environment.
func (d *deployed) flagsOf() []string {
	var flags []string
	for _, arg := range d.args {
		if m := flagGiven.FindStringSubmatch(arg); m != nil {
			flags = append(flags, m[1])
		}
	}
	for variable := range d.env {
		if name, ours := strings.CutPrefix(variable, "SOCKGATE_"); ours {
			flags = append(flags, strings.ToLower(strings.ReplaceAll(name, "_", "-")))
		}
	}
	return flags
}

// value returns the value of a flag that a gateway is given once.
func (d *deployed) value(flag string) string {
	for i, arg := range d.args {
		if v, ok := strings.CutPrefix(arg, "--"+flag+"="); ok {
			return v
		}
		if arg == "--"+flag && i+1 < len(d.args) {
			return d.args[i+1]
		}
	}
	return d.env["SOCKGATE_"+strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))]
}

// deployments returns the gateways of all deployment files, by file.
func deployments(t *testing.T) map[string][]deployed {
	t.Helper()
	all := map[string][]deployed{"kubernetes": pods(t, readManifests(t))}
	files, err := filepath.Glob(tree.Path(t, composeFiles+"/*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no compose files: %v", err)
	}
	for _, file := range files {
		c := readCompose(t, filepath.Base(file))
		all[filepath.Base(file)] = c.gateways(t)
	}
	return all
}

// TestDeployedFlagsExist holds that the gateway knows every flag and every SOCKGATE_ variable of the deployment files.
func TestDeployedFlagsExist(t *testing.T) {
	t.Parallel()
	help := program.Run(t, ".", program.Build(t, program.Gateway), "--help")
	for file, gateways := range deployments(t) {
		if len(gateways) == 0 {
			t.Errorf("%s has no gateway", file)
		}
		for _, d := range gateways {
			for _, flag := range d.flagsOf() {
				if !regexp.MustCompile(`(?m)^ +(?:-\w, )?--` + flag + ` `).MatchString(help) {
					t.Errorf("%s: %s is given --%s, which is no flag of the gateway", file, d.name, flag)
				}
			}
		}
	}
	for _, m := range regexp.MustCompile(`SOCKGATE_[A-Z_]+`).FindAllString(tree.Read(t, "gateway/deploy/Dockerfile"), -1) {
		if flag := strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(m, "SOCKGATE_"), "_", "-")); !strings.Contains(help,
			"--"+flag+" ") {
			t.Errorf("the Dockerfile sets %s, and the gateway has no --%s", m, flag)
		}
	}
}

// afterDrain is how long a process may go on after --drain-timeout: 5 s for overdue connections, 5 s for calls that do
// not end, and the rest for leaving the fleet.
const afterDrain = 12 * time.Second

// TestDeployedGatewaysMayDrain holds that no gateway is killed before its drain can be over.
func TestDeployedGatewaysMayDrain(t *testing.T) {
	for file, gateways := range deployments(t) {
		for _, d := range gateways {
			drain, err := time.ParseDuration(d.value("drain-timeout"))
			if err != nil {
				t.Errorf("%s: %s does not say its --drain-timeout: %v", file, d.name, err)
			} else if d.grace < drain+afterDrain {
				t.Errorf("%s: %s is killed %s after SIGTERM; it drains for %s, and may take %s more", file, d.name, d.grace, drain,
					afterDrain)
			}
		}
	}
}

// TestComposeIsConsistent holds that compose/prepare makes the files that the compose files mount, and that nodes join
// each other.
func TestComposeIsConsistent(t *testing.T) {
	t.Parallel()
	dir := prepared(t)
	for file, gateways := range deployments(t) {
		if file == "kubernetes" {
			continue
		}
		for _, d := range gateways {
			if d.value("node") != d.name {
				t.Errorf("%s: the node of %s is named %q", file, d.name, d.value("node"))
			}
			for inside, host := range d.mounts {
				if _, err := os.Stat(filepath.Join(dir, host)); err != nil {
					t.Errorf("%s: %s mounts %s at %s, which compose/prepare does not make: %v", file, d.name, host, inside, err)
				}
			}
			for _, address := range strings.FieldsFunc(d.value("cluster-join"), func(r rune) bool { return r == ',' }) {
				host, port, _ := net.SplitHostPort(address)
				if !slices.ContainsFunc(gateways, func(o deployed) bool {
					return o.name == host &&
						o.value("cluster-listen") == ":"+port
				}) {
					t.Errorf("%s: %s joins %s, where no gateway listens", file, d.name, address)
				}
			}
		}
	}
}

// TestKubernetesIsConsistent holds that the manifests fit together: labels, ports, services, secrets and names of
// nodes.
func TestKubernetesIsConsistent(t *testing.T) {
	manifests := readManifests(t)
	set := theOne(t, manifests, "StatefulSet", "")
	labels, c := set.Spec.Template.Metadata.Labels, set.Spec.Template.Spec.Containers[0]
	ports := make(map[string]int)
	for _, p := range c.Ports {
		ports[p.Name] = p.Port
	}
	for _, m := range manifests {
		checkSelectors(t, m, labels)
		for _, p := range m.Spec.Ports {
			if ports[p.Target] == 0 {
				t.Errorf("%s %s leads to the port %q, which no pod has", m.Kind, m.Metadata.Name, p.Target)
			}
		}
		for _, rule := range m.Spec.Ingress {
			for _, p := range rule.Ports {
				if ports[p.Port] == 0 {
					t.Errorf("%s %s lets in to the port %q, which no pod has", m.Kind, m.Metadata.Name, p.Port)
				}
			}
		}
	}
	if s := theOne(t, manifests, "Service", set.Spec.ServiceName); s.Spec.ClusterIP != "None" {
		t.Errorf("the service %s, which names the pods, is not headless", set.Spec.ServiceName)
	}
	if c.Liveness.TCP.Port != "" && ports[c.Liveness.TCP.Port] == 0 {
		t.Errorf("the liveness probe asks the port %q, which no pod has", c.Liveness.TCP.Port)
	}
	checkPods(t, pods(t, manifests), set.Spec.ServiceName, ports)
	comment := tree.Read(t, kubernetesFiles+"/statefulset.yaml")
	for _, v := range set.Spec.Template.Spec.Volumes {
		if !strings.Contains(comment, "kubectl create secret generic "+v.Secret.Name+" ") {
			t.Errorf("nothing says how the secret %q is made", v.Secret.Name)
		}
	}
}

// checkSelectors holds that an object's selectors select the gateways' pods.
func checkSelectors(t *testing.T, m manifest, labels map[string]string) {
	t.Helper()
	for _, selector := range []map[string]any{m.Spec.Selector, m.Spec.PodSelector} {
		if match, ok := selector["matchLabels"].(map[string]any); ok {
			selector = match
		}
		for key, value := range selector {
			if labels[key] != value {
				t.Errorf("%s %s selects %s=%v, which is no label of the pods", m.Kind, m.Metadata.Name, key, value)
			}
		}
	}
}

// checkPods holds that pods listen on the ports that they declare, join all others by name, and use files that are
// mounted.
func checkPods(t *testing.T, all []deployed, service string, ports map[string]int) {
	t.Helper()
	for _, d := range all {
		if d.value("node") != d.name {
			t.Errorf("the node of the pod %s is named %q", d.name, d.value("node"))
		}
		for flag, port := range map[string]string{"listen": "data", "control": "control", "cluster-listen": "cluster"} {
			if want := fmt.Sprint(":", ports[port]); d.value(flag) != want {
				t.Errorf("--%s is %q, and the port %q is %s", flag, d.value(flag), port, want)
			}
		}
		for _, other := range all {
			if join := fmt.Sprintf("--cluster-join=%s.%s:%d", other.name, service, ports["cluster"]); !slices.Contains(d.args,
				join) {
				t.Errorf("%s is not given %s", d.name, join)
			}
		}
		for _, arg := range d.args {
			if _, path, ok := strings.Cut(arg, "="); ok && strings.HasPrefix(path, "/") && !d.mounted(path) {
				t.Errorf("%s: nothing is mounted at %s", d.name, arg)
			}
		}
	}
}

// mounted reports whether a path is in something that is mounted.
func (d *deployed) mounted(path string) bool {
	return slices.ContainsFunc(slices.Collect(maps.Keys(d.mounts)),
		func(m string) bool { return path == m || strings.HasPrefix(path, m+"/") })
}

// prepared returns a directory with the files that compose/prepare makes.
func prepared(t *testing.T) string {
	t.Helper()
	program.Require(t, "REQUIRE_OPENSSL", "openssl")
	dir := t.TempDir()
	program.Run(t, ".", tree.Path(t, composeFiles+"/prepare"), dir)
	return dir
}
