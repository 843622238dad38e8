package kubernetes

import (
	"fmt"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/writ-dev/writ"
)

// NewFromKubeconfig is New with credentials from kubeconfig files: mint is the runner's own, read the read-only one.
// They may be the same file; then Observe and Plan could write, and only this package's code keeps them from it. An
// empty name takes the credential of the pod that the runner lives in. Mint and Read of c are set here.
func NewFromKubeconfig(c Config, mint, read string) (*Connector, error) {
	var err error
	if c.Mint, err = loadKubeconfig(mint); err != nil {
		return nil, err
	}
	if c.Read, err = loadKubeconfig(read); err != nil {
		return nil, err
	}
	return New(c)
}

func loadKubeconfig(name string) (*rest.Config, error) {
	if name == "" {
		c, err := rest.InClusterConfig()
		if err != nil {
			return nil, fmt.Errorf("%w: no kubeconfig is named and this is no pod: %v", writ.ErrInvalid, err)
		}
		return c, nil
	}
	c, err := clientcmd.BuildConfigFromFlags("", name)
	if err != nil {
		return nil, fmt.Errorf("%w: kubeconfig %q: %v", writ.ErrInvalid, writ.Printable(name, 200), err)
	}
	return c, nil
}
