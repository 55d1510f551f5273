import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MemoryState } from '../ca/state-dir.ts';
import { TokenIssuer } from './tokens.ts';

const nowMs = Date.UTC(2026, 0, 1);
const claims = {
  service: 'orders',
  namespace: 'default',
  ca: 'sha256:00',
  issuedAt: nowMs / 1000,
  expiresAt: nowMs / 1000 + 60,
};

describe('join tokens', () => {
  const state = new MemoryState();
  const issuer = TokenIssuer.open(state);
  const token = issuer.issue(claims);

  it('are good until they expire', () => {
    assert.deepEqual(issuer.verify(token, nowMs), { ok: true, value: claims });
    assert.equal(issuer.verify(token, nowMs + 59_999).ok, true);
    const late = issuer.verify(token, nowMs + 60_000);
    assert.match(late.ok ? '' : late.errors, /expired at 2026-01-01T00:01:00/);
  });

  it('are good for a control plane that was restarted with its state', () => {
    assert.equal(TokenIssuer.open(state).verify(token, nowMs).ok, true);
  });

  it('are worth nothing to another control plane', () => {
    const other = TokenIssuer.open(new MemoryState()).verify(token, nowMs);
    assert.match(other.ok ? '' : other.errors, /not issued by this control plane/);
  });

  it('do not survive the change of any one character', () => {
    for (let i = 0; i < token.length; i++) {
      for (const replacement of ['A', 'B', '.', '']) {
        const changed = token.slice(0, i) + replacement + token.slice(i + 1);
        if (changed === token) continue;
        assert.equal(issuer.verify(changed, nowMs).ok, false, `position ${i}, '${replacement}'`);
      }
    }
  });

  it('cannot be made from other claims with an old signature', () => {
    const [prefix, , mac] = token.split('.');
    const forged = Buffer.from(JSON.stringify({ ...claims, service: 'admin' })).toString(
      'base64url',
    );
    assert.equal(issuer.verify(`${prefix}.${forged}.${mac}`, nowMs).ok, false);
    assert.equal(issuer.verify(`${prefix}.${forged}.`, nowMs).ok, false);
    assert.equal(issuer.verify('', nowMs).ok, false);
    assert.equal(issuer.verify('x'.repeat(100_000), nowMs).ok, false);
  });
});
