package trustdomain

import (
	"context"
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/proto/spiffe/workload"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// A Socket is the Workload API of one identity.
type Socket struct {
	file   string
	api    *api
	server *grpc.Server
	done   chan error
}

// Serve serves the Workload API for the workload at path, whose SVIDs live as long as said and are renewed at half of
// it. It ends with the test.
func (d *Domain) Serve(t testing.TB, path string, life time.Duration) *Socket {
	t.Helper()
	dir, err := os.MkdirTemp("", "writ-spiffe-") // t.TempDir's names may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := &Socket{file: filepath.Join(dir, "api.sock"), api: &api{d: d, path: path, life: life}}
	s.Start(t)
	t.Cleanup(s.Stop)
	return s
}

// Address is what SPIFFE_ENDPOINT_SOCKET would hold.
func (s *Socket) Address() string { return "unix://" + s.file }

// Start listens again after Stop.
func (s *Socket) Start(t testing.TB) {
	t.Helper()
	l, err := net.Listen("unix", s.file)
	if err != nil {
		t.Fatal(err)
	}
	s.server, s.done = grpc.NewServer(), make(chan error, 1)
	workload.RegisterSpiffeWorkloadAPIServer(s.server, s.api)
	server, done := s.server, s.done
	go func() { done <- server.Serve(l) }()
}

// Stop ends all streams and removes the socket, as when the agent of a node is restarted.
func (s *Socket) Stop() {
	s.server.Stop()
	<-s.done
	s.done <- nil // Stop may be called again
}

// api implements the Workload API for one identity.
type api struct {
	workload.UnimplementedSpiffeWorkloadAPIServer
	d    *Domain
	path string
	life time.Duration
}

// secured refuses a call without the metadata that keeps browsers and proxies out (SPIFFE Workload Endpoint, 6).
func secured(ctx context.Context) error {
	if md, _ := metadata.FromIncomingContext(ctx); len(md["workload.spiffe.io"]) != 1 || md["workload.spiffe.io"][0] != "true" {
		return status.Error(codes.InvalidArgument, "security header missing from request")
	}
	return nil
}

// each calls send at once, at every change of the bundles, and when renewal is due.
func (a *api) each(ctx context.Context, renew time.Duration, send func(all map[string]*Domain) error) error {
	if err := secured(ctx); err != nil {
		return err
	}
	for {
		turn, end := context.WithCancel(ctx)
		all, changed := a.watch(turn)
		err := send(all)
		if err == nil {
			select {
			case <-changed:
			case <-time.After(renew):
			case <-ctx.Done():
			}
		}
		end()
		if err != nil || ctx.Err() != nil {
			return err
		}
	}
}

// watch returns the bundles as they are from now on, and a channel that gets a value when any of them changes before
// ctx ends.
func (a *api) watch(ctx context.Context) (map[string]*Domain, <-chan struct{}) {
	all, own := a.d.bundles()
	waits := []<-chan struct{}{own}
	for _, d := range all {
		if d != a.d {
			_, c := d.bundles()
			waits = append(waits, c)
		}
	}
	hit := make(chan struct{}, len(waits))
	for _, c := range waits {
		go func() {
			select {
			case <-c:
				hit <- struct{}{}
			case <-ctx.Done():
			}
		}()
	}
	return all, hit
}

// FetchX509SVID implements the Workload API.
func (a *api) FetchX509SVID(_ *workload.X509SVIDRequest, s grpc.ServerStreamingServer[workload.X509SVIDResponse]) error {
	return a.each(s.Context(), a.life/2, func(all map[string]*Domain) error {
		svid, err := a.d.SVID(a.path, a.life)
		if err != nil {
			return err
		}
		key, err := x509.MarshalPKCS8PrivateKey(svid.Key)
		if err != nil {
			return err
		}
		federated := map[string][]byte{}
		for name, d := range all {
			if d != a.d {
				federated["spiffe://"+name] = d.x509Bundle()
			}
		}
		return s.Send(&workload.X509SVIDResponse{
			Svids:            []*workload.X509SVID{{SpiffeId: svid.ID, X509Svid: svid.Cert, X509SvidKey: key, Bundle: a.d.x509Bundle()}},
			FederatedBundles: federated,
		})
	})
}

// FetchX509Bundles implements the Workload API.
func (a *api) FetchX509Bundles(_ *workload.X509BundlesRequest, s grpc.ServerStreamingServer[workload.X509BundlesResponse]) error {
	return a.each(s.Context(), a.life, func(all map[string]*Domain) error {
		out := map[string][]byte{}
		for name, d := range all {
			out["spiffe://"+name] = d.x509Bundle()
		}
		return s.Send(&workload.X509BundlesResponse{Bundles: out})
	})
}

// FetchJWTSVID implements the Workload API.
func (a *api) FetchJWTSVID(ctx context.Context, r *workload.JWTSVIDRequest) (*workload.JWTSVIDResponse, error) {
	if err := secured(ctx); err != nil {
		return nil, err
	}
	if len(r.Audience) == 0 {
		return nil, status.Error(codes.InvalidArgument, "audience must be specified")
	}
	token, err := a.d.JWTSVID(a.path, r.Audience, a.life, nil)
	return &workload.JWTSVIDResponse{Svids: []*workload.JWTSVID{{SpiffeId: "spiffe://" + a.d.Name + a.path, Svid: token}}}, err
}

// FetchJWTBundles implements the Workload API.
func (a *api) FetchJWTBundles(_ *workload.JWTBundlesRequest, s grpc.ServerStreamingServer[workload.JWTBundlesResponse]) error {
	return a.each(s.Context(), a.life, func(all map[string]*Domain) error {
		out := map[string][]byte{}
		for name, d := range all {
			b, err := d.jwtBundle()
			if err != nil {
				return err
			}
			out["spiffe://"+name] = b
		}
		return s.Send(&workload.JWTBundlesResponse{Bundles: out})
	})
}
