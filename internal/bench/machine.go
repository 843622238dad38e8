package bench

import (
	"bufio"
	"os"
	"runtime"
	"strings"
)

// A Machine is what the figures hold for.
type Machine struct {
	OS     string `json:"os"`
	Arch   string `json:"arch"`
	Kernel string `json:"kernel,omitempty"` // Linux only, as the next three
	CPU    string `json:"cpu,omitempty"`
	Disk   string `json:"disk,omitempty"` // device and file system of the directory
	Load   string `json:"load,omitempty"` // averages of 1, 5 and 15 minutes when the run began: of a busy machine expect less
	CPUs   int    `json:"cpus"`
	Procs  int    `json:"gomaxprocs"`
	Go     string `json:"go"`
}

// machine describes the machine, as far as it says.
func machine(dir string) Machine {
	m := Machine{OS: runtime.GOOS, Arch: runtime.GOARCH, CPUs: runtime.NumCPU(), Procs: runtime.GOMAXPROCS(0), Go: runtime.Version()}
	m.Kernel = firstLine("/proc/sys/kernel/osrelease")
	if f := strings.Fields(firstLine("/proc/loadavg")); len(f) >= 3 {
		m.Load = strings.Join(f[:3], " ")
	}
	lines("/proc/cpuinfo", func(l string) bool {
		if name, ok := strings.CutPrefix(l, "model name"); ok {
			m.CPU = strings.TrimSpace(strings.TrimLeft(name, "\t :"))
		}
		return m.CPU == ""
	})
	best := -1
	lines("/proc/self/mounts", func(l string) bool { // device, mount point, file system
		f := strings.Fields(l)
		if len(f) >= 3 && len(f[1]) > best && (f[1] == "/" || dir == f[1] || strings.HasPrefix(dir, f[1]+"/")) {
			best, m.Disk = len(f[1]), f[0]+" "+f[2]
		}
		return true
	})
	return m
}

func firstLine(file string) string {
	var out string
	lines(file, func(l string) bool { out = l; return false })
	return strings.TrimSpace(out)
}

// lines calls each for every line until it says false. A file that is not there has none.
func lines(file string, each func(string) bool) {
	f, err := os.Open(file)
	if err != nil {
		return
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if !each(s.Text()) {
			return
		}
	}
}
