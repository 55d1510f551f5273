// One-service tokens: what a sidecar joins with. Compact like a JWS, but of one algorithm only:
//
//   remora1.<base64url JSON claims>.<base64url HMAC-SHA256 of everything before the last dot>
//
// The holder is the service. The claims also carry the fingerprint of the CA, which the sidecar trusts
// because it got the token over a channel that it trusts. Called by the join service, xDS and REST.

import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { err, ok, type Result } from '../../common/result.ts';
import type { State } from '../ca/state-dir.ts';

const PREFIX = 'remora1';
const KEY_FILE = 'token-key';
const KEY_BYTES = 32;
const MAX_TOKEN_CHARACTERS = 4096;

export interface TokenClaims {
  readonly service: string;
  readonly namespace: string;
  /** `sha256:<hex>` of the root's SPKI. */
  readonly ca: string;
  /** Seconds since the Unix epoch. */
  readonly issuedAt: number;
  readonly expiresAt: number;
}

export class TokenIssuer {
  readonly #key: Buffer;

  constructor(key: Buffer) {
    if (key.length < KEY_BYTES) throw new Error('the token key is too short');
    this.#key = key;
  }

  /** With the key of `state`, made when there is none. */
  static open(state: State): TokenIssuer {
    const stored = state.read(KEY_FILE);
    if (stored !== null) return new TokenIssuer(Buffer.from(stored.trim(), 'base64url'));
    const key = randomBytes(KEY_BYTES);
    state.write(KEY_FILE, `${key.toString('base64url')}\n`);
    return new TokenIssuer(key);
  }

  issue(claims: TokenClaims): string {
    const signed = `${PREFIX}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}`;
    return `${signed}.${this.#mac(signed).toString('base64url')}`;
  }

  /** The claims of a genuine, unexpired token; else why not, fit to be told to the caller. */
  verify(token: string, nowMs: number): Result<TokenClaims, string> {
    const dot = token.lastIndexOf('.');
    if (token.length > MAX_TOKEN_CHARACTERS || dot < 0 || !token.startsWith(`${PREFIX}.`)) {
      return err('not a token of this kind');
    }
    const expected = this.#mac(token.slice(0, dot));
    const given = Buffer.from(token.slice(dot + 1), 'base64url');
    // The text is compared too: base64url has several spellings of the same bytes.
    const isGenuine =
      given.length === expected.length &&
      timingSafeEqual(given, expected) &&
      token.slice(dot + 1) === expected.toString('base64url');
    if (!isGenuine) return err('the token was not issued by this control plane');
    const claims = parseClaims(token.slice(PREFIX.length + 1, dot));
    if (claims === null) return err('the token has no valid claims');
    if (nowMs >= claims.expiresAt * 1000) {
      return err(`the token expired at ${new Date(claims.expiresAt * 1000).toISOString()}`);
    }
    return ok(claims);
  }

  #mac(text: string): Buffer {
    return createHmac('sha256', this.#key).update(text).digest();
  }
}

function parseClaims(text: string): TokenClaims | null {
  try {
    const claims: unknown = JSON.parse(Buffer.from(text, 'base64url').toString('utf8'));
    return isClaims(claims) ? claims : null;
  } catch {
    return null; // not JSON
  }
}

function isClaims(value: unknown): value is TokenClaims {
  if (typeof value !== 'object' || value === null) return false;
  const claims = value as Partial<Record<keyof TokenClaims, unknown>>; // read as unknowns only
  return (
    typeof claims.service === 'string' &&
    typeof claims.namespace === 'string' &&
    typeof claims.ca === 'string' &&
    typeof claims.issuedAt === 'number' &&
    typeof claims.expiresAt === 'number'
  );
}
