package install

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
)

// Accounts applies the manifest that Writ ships for owners of clusters. root is the checkout.
func Accounts(kube kubernetes.Interface, root string) error {
	manifest, err := os.ReadFile(filepath.Join(root, "internal", "connector", "kubernetes", "rbac.yaml"))
	if err != nil {
		return err
	}
	ctx, made := context.Background(), metav1.CreateOptions{}
	for doc := range strings.SplitSeq(string(manifest), "\n---\n") {
		o, _, err := scheme.Codecs.UniversalDeserializer().Decode([]byte(doc), nil, nil)
		if err != nil {
			return fmt.Errorf("rbac.yaml: %w", err)
		}
		switch o := o.(type) {
		case *corev1.Namespace:
			_, err = kube.CoreV1().Namespaces().Create(ctx, o, made)
		case *corev1.ServiceAccount:
			_, err = kube.CoreV1().ServiceAccounts(o.Namespace).Create(ctx, o, made)
		case *rbacv1.ClusterRole:
			_, err = kube.RbacV1().ClusterRoles().Create(ctx, o, made)
		case *rbacv1.ClusterRoleBinding:
			_, err = kube.RbacV1().ClusterRoleBindings().Create(ctx, o, made)
		default:
			err = fmt.Errorf("rbac.yaml: an object of type %T", o)
		}
		if err != nil && !apierrors.IsAlreadyExists(err) {
			return err
		}
	}
	return nil
}
