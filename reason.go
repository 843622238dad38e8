package writ

// A Reason is a stable code for a refusal or a decision. Codes are never reused for another meaning. Agents see the
// code and its sentence; people see the rules as well.
type Reason string

// Input.
const (
	ReasonForm             Reason = "form"              // the bytes are not of the wanted form
	ReasonUnknownParameter Reason = "unknown_parameter" // no such parameter
	ReasonMissingParameter Reason = "missing_parameter"
	ReasonParameterType    Reason = "parameter_type"
	ReasonParameterBound   Reason = "parameter_bound" // outside the playbook's or operation's bounds
	ReasonTooLarge         Reason = "too_large"
	ReasonUnknownService   Reason = "unknown_service"
	ReasonUnknownPlaybook  Reason = "unknown_playbook"
	ReasonUnknownReader    Reason = "unknown_reader"
	ReasonUnknownIncident  Reason = "unknown_incident"
	ReasonUnknownEvidence  Reason = "unknown_evidence"
	ReasonIdempotency      Reason = "idempotency_mismatch" // same key, other content
)

// Identity.
const (
	ReasonUnauthenticated   Reason = "unauthenticated"
	ReasonAgentUnregistered Reason = "agent_unregistered"
	ReasonAgentSuspended    Reason = "agent_suspended"
	ReasonRoleMissing       Reason = "role_missing"
	ReasonClass             Reason = "class"        // the agent is not registered for playbooks of this class
	ReasonKeyRotation       Reason = "key_rotation" // the step of a key's rotation is not the next one
	ReasonUnknownAgent      Reason = "unknown_agent"
	ReasonAgentExists       Reason = "agent_exists"   // the name or the identity was registered before
	ReasonAgentState        Reason = "agent_state"    // its state does not allow this
	ReasonAgentDeclared     Reason = "agent_declared" // it is changed in the server's configuration
	ReasonEnrolment         Reason = "enrolment"      // no open invitation, or the code, key or name is another
	ReasonUnknownRunner     Reason = "unknown_runner"
	ReasonKind              Reason = "kind" // this kind of principal may not do this at all
	ReasonNotYours          Reason = "not_yours"
)

// Decision.
const (
	ReasonAllowed              Reason = "allowed"
	ReasonNeedsApproval        Reason = "needs_approval"
	ReasonNoGrantRule          Reason = "no_grant"        // no rule allows it
	ReasonLimit                Reason = "limit"           // a rule that nobody's approval lifts
	ReasonPolicyError          Reason = "policy_error"    // a rule failed to evaluate
	ReasonPolicyBehind         Reason = "policy_behind"   // this server has not loaded the set that is in force
	ReasonInvalidRequest       Reason = "invalid_request" // facts do not fit the schema
	ReasonUnmet                Reason = "unmet"           // even with everything asked for, it would not be allowed
	ReasonIncidentClosed       Reason = "incident_closed"
	ReasonFrozen               Reason = "frozen"
	ReasonExternalVeto         Reason = "external_veto"  // the external decision point said no, or nothing that counts
	ReasonBudget               Reason = "budget"         // the blast radius is in use by other runs, or beyond the limit
	ReasonObjectBusy           Reason = "object_busy"    // another run is writing the same object
	ReasonCooldown             Reason = "cooldown"       // the last run on the object was too short a time ago
	ReasonAttempts             Reason = "attempts"       // it was tried too often within the window
	ReasonDryRun               Reason = "dry_run"        // it was only to be planned and decided
	ReasonStorm                Reason = "storm"          // so much of the same is open already that more would only be noise
	ReasonNotFrozen            Reason = "not_frozen"     // there is no such freeze to lift
	ReasonProtected            Reason = "protected"      // Writ itself rests on it, and no agent may touch it
	ReasonObserved             Reason = "observed"       // the playbook is observed only: decided and recorded, and nothing runs
	ReasonPolicyTests          Reason = "policy_tests"   // a test of the set fails, or a rule of it is not covered
	ReasonPolicySet            Reason = "policy_set"     // the set does not load, or is not signed by enough of its owners
	ReasonPolicyVersion        Reason = "policy_version" // its version is not above every version that was in force
	ReasonPolicyStale          Reason = "policy_stale"   // another set came into force meanwhile
	ReasonPolicyOff            Reason = "policy_off"     // no owners and approvers of policy sets are configured
	ReasonUnknownChange        Reason = "unknown_change" // there is no such change of the policy set
	ReasonExpired              Reason = "expired"
	ReasonRejected             Reason = "rejected"
	ReasonWithdrawn            Reason = "withdrawn"
	ReasonHandOff              Reason = "hand_off" // it would widen what was passed on, go too deep, in a circle, or was revoked or is over
	ReasonUnknownHandOff       Reason = "unknown_hand_off"
	ReasonPending              Reason = "authorization_pending" // the plan is not allowed yet: its grant can be fetched later (the name is of RFC 8628)
	ReasonEvidenceMissing      Reason = "evidence_missing"      // no cited reading is about what the playbook wants observed, or it could not be read again
	ReasonEvidenceStale        Reason = "evidence_stale"        // the cited reading is too old
	ReasonEvidenceContradicted Reason = "evidence_contradicted" // a reading shows something else than the playbook wants observed
	ReasonRunnerAltered        Reason = "runner_altered"        // the grant is asked for another runner than the plan's
)

// Approval.
const (
	ReasonApprovalForm      Reason = "approval_form"
	ReasonApprovalMismatch  Reason = "approval_mismatch"  // another plan, policy, runner, incident or evidence
	ReasonApprovalSignature Reason = "approval_signature" // the key did not make this signature
	ReasonApproverUnknown   Reason = "approver_unknown"   // not on the roster, or not with this key or group
	ReasonApproverConflict  Reason = "approver_conflict"  // requester, in its lineage, or the agent's human owner
	ReasonApprovalExpired   Reason = "approval_expired"
	ReasonApprovalReplayed  Reason = "approval_replayed"
	ReasonApprovalProof     Reason = "approval_proof" // the proof is too weak for the tier
	ReasonApprovalQuorum    Reason = "approval_quorum"
	ReasonApprovalCloned    Reason = "approval_cloned" // the passkey's counter went back: there may be a copy of it
	ReasonPasskeysOff       Reason = "passkeys_off"    // the server's configuration names no origin for approving
	ReasonPasskeyForm       Reason = "passkey_form"    // what the browser sent does not enrol a passkey
	ReasonUnknownPasskey    Reason = "unknown_passkey"
	ReasonPasskeyExists     Reason = "passkey_exists" // it was enrolled before
	ReasonPasskeyState      Reason = "passkey_state"  // its state does not allow this
)

// ReasonNotFound is for whatever is not there, or that this caller may not know of.
const ReasonNotFound Reason = "not_found"

// Planning, on the runner.
const (
	ReasonOutOfScope  Reason = "out_of_scope" // the object does not belong to the incident's service
	ReasonNoObject    Reason = "no_object"
	ReasonNoChange    Reason = "no_change" // the target is already as asked
	ReasonNoInverse   Reason = "no_inverse"
	ReasonGuard       Reason = "guard" // a guard does not hold
	ReasonUnreachable Reason = "unreachable"
	ReasonForbidden   Reason = "forbidden" // the target refused the runner
)

// The runner's own judgement of a bundle, in the order of its checks. Each part of a plan that could be altered has
// its own code (invariant I03).
const (
	ReasonFeedStale          Reason = "feed_stale"
	ReasonFeedRollback       Reason = "feed_rollback"
	ReasonTrustMissing       Reason = "ceiling_missing"
	ReasonTrustInvalid       Reason = "ceiling_invalid"
	ReasonTrustExpired       Reason = "ceiling_expired"
	ReasonTrustRollback      Reason = "ceiling_rollback"
	ReasonGrantHeader        Reason = "grant_header"
	ReasonGrantSignature     Reason = "grant_signature"
	ReasonGrantClaims        Reason = "grant_claims"
	ReasonGrantExpired       Reason = "grant_expired"
	ReasonRevoked            Reason = "revoked"
	ReasonNotInLedger        Reason = "not_in_ledger"
	ReasonLedgerFork         Reason = "ledger_fork"
	ReasonPlanUnknown        Reason = "plan_unknown" // this runner never made it
	ReasonPlanForm           Reason = "plan_form"
	ReasonPlanDigest         Reason = "plan_digest"
	ReasonCallAltered        Reason = "call_altered"
	ReasonObjectAltered      Reason = "object_altered"
	ReasonDiffAltered        Reason = "diff_altered"
	ReasonPlaybookAltered    Reason = "playbook_altered"
	ReasonParametersAltered  Reason = "parameters_altered"
	ReasonEvidenceAltered    Reason = "evidence_altered"
	ReasonPolicyAltered      Reason = "policy_altered"
	ReasonWindowAltered      Reason = "window_altered"
	ReasonBudgetAltered      Reason = "budget_altered"
	ReasonHolderAltered      Reason = "holder_altered"
	ReasonApprovalsAltered   Reason = "approvals_altered"
	ReasonPlanMismatch       Reason = "plan_mismatch" // another part of grant and plan differ
	ReasonPlaybookUnpinned   Reason = "playbook_unpinned"
	ReasonTierUnderstated    Reason = "tier_understated"
	ReasonPresenter          Reason = "presenter"      // the holder's key did not present the grant
	ReasonPresentedTwice     Reason = "proof_replayed" // the holder's proof was used before
	ReasonProofExpired       Reason = "proof_expired"  // the holder's proof is too old; the grant is not spent by it
	ReasonOverCeiling        Reason = "over_ceiling"
	ReasonSpent              Reason = "spent" // the grant was used before
	ReasonWorldMoved         Reason = "world_moved"
	ReasonOutsideWindow      Reason = "outside_window"
	ReasonReceipt            Reason = "receipt" // the ledger's answer does not prove the entry
	ReasonLeaseDebt          Reason = "lease_debt"
	ReasonVerificationFailed Reason = "verification_failed"
	ReasonUncertainOutcome   Reason = "uncertain"
	ReasonUndoConflict       Reason = "undo_conflict" // somebody changed the object since; it was left alone
	ReasonStopped            Reason = "stopped"
	ReasonStepFailed         Reason = "step_failed"
	ReasonLeaseFailed        Reason = "lease_failed"
	ReasonFenced             Reason = "fenced"      // another process holds the runner's cell
	ReasonTakenOver          Reason = "taken_over"  // its process went silent, and another of the cell ended the run without knowing its pre-images
	ReasonRunnerLost         Reason = "runner_lost" // no process of its runner has been heard of for so long that nobody else will say what it did
	ReasonUnavailable        Reason = "unavailable"
)

// Break-glass.
const (
	ReasonBreakGlass         Reason = "break_glass"          // an emergency playbook outside of break-glass, or another playbook within it
	ReasonBreakGlassForm     Reason = "break_glass_form"     // the signed ask is not of the closed form
	ReasonBreakGlassMismatch Reason = "break_glass_mismatch" // what was signed is about something else than what is asked for
	ReasonBreakGlassReplayed Reason = "break_glass_replayed" // the ask, or the nonce, was used before
	ReasonBreakGlassExpired  Reason = "break_glass_expired"
	ReasonBreakGlassRate     Reason = "break_glass_rate"  // the team has asked too often
	ReasonReviewOverdue      Reason = "review_overdue"    // an earlier use of the team's was not reviewed in time
	ReasonReviewOwn          Reason = "review_own"        // nobody reviews what they asked for or let through
	ReasonNoReviewOwed       Reason = "no_review_owed"    // it was never used, or was reviewed before
	ReasonControlReachable   Reason = "control_reachable" // the control plane answers: ask there
	ReasonOfflineNonce       Reason = "offline_nonce"     // no plan of this runner has this nonce
	ReasonOfflineQuorum      Reason = "offline_quorum"    // not enough different people have signed
	ReasonOfflineSigner      Reason = "offline_signer"    // a signature is of nobody who may sign here, or a person signed twice
	ReasonOfflineMissing     Reason = "offline_missing"   // the trust file allows no offline break-glass here
)

// After a run.
const (
	ReasonNotUncertain  Reason = "not_uncertain" // only a run that ended uncertain can be settled
	ReasonSettled       Reason = "settled"       // a person has said it before
	ReasonUnsettled     Reason = "unsettled"     // a person must say first what an uncertain run did
	ReasonNothingToUndo Reason = "nothing_to_undo"
	ReasonForgotten     Reason = "forgotten"  // the runner no longer has the bytes
	ReasonNoReceipt     Reason = "no_receipt" // the runner has signed none about this run, or not delivered it yet
)
