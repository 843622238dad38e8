package control

import (
	"context"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/store"
)

// RepeatDrill sends the caller's ask of a drill a second time, in the very bytes of the first, through the same door. It must
// be refused as used, which is the other half of the drill; then the drill is returned. An ask that is taken twice, or
// refused for another reason, is an error.
func (c *Control) RepeatDrill(ctx context.Context, by writ.Principal, id writ.BreakGlassID) (writ.BreakGlass, error) {
	if err := glassPerson(by); err != nil {
		return writ.BreakGlass{}, c.deny(ctx, "breakglass repeat", by, "", err)
	}
	var g glassRow
	err := c.Store.View(ctx, func(tx *store.Tx) (err error) {
		g, _, err = store.Load[glassRow](tx, store.BreakGlasses, string(id))
		return notFound(err, "break-glass", string(id))
	})
	if err == nil && (!g.Drill || !g.Asker.Same(by)) {
		err = &writ.Refusal{Code: writ.ReasonNotYours, Kind: writ.ErrDenied, Detail: "only who asked for a drill uses its ask again, and no other break-glass is tried twice"}
	}
	if err != nil {
		return writ.BreakGlass{}, c.deny(ctx, "breakglass repeat", by, "", err)
	}
	_, err = c.AskBreakGlass(ctx, by, writ.BreakGlassAsk{Statement: g.Signed.Statement, Signature: g.Signed.Signature, Passkey: g.Signed.Passkey, Justification: "drill"})
	switch {
	case err == nil:
		return writ.BreakGlass{}, &writ.Refusal{Code: writ.ReasonBreakGlassReplayed, Kind: writ.ErrConflict, Detail: "the drill did not pass: the same ask was taken twice"}
	case writ.ReasonOf(err) != writ.ReasonBreakGlassReplayed:
		return writ.BreakGlass{}, err
	}
	return c.BreakGlassOf(ctx, by, id)
}
