// The mesh's certificate authority: one root, made when there is none, and the leaves it signs. Called by
// node-certificates.ts and main. Does not decide who gets which identity.

import type { Clock } from '../../common/clock.ts';
import type { State } from './state-dir.ts';
import { type CertifiedKey, createRoot, Signer, spkiFingerprint } from './x509.ts';

const ROOT_CERTIFICATE = 'root-cert.pem';
const ROOT_KEY = 'root-key.pem';
/** Optional, written by an operator: roots to trust besides ours while one root replaces another. */
const EXTRA_ROOTS = 'extra-roots.pem';

const DAY_MS = 86_400_000;
const ROOT_TTL_MS = 10 * 365 * DAY_MS;
/** Peers' clocks may run behind ours. */
const BACKDATE_MS = 60_000;

export interface IssuedCertificate extends CertifiedKey {
  readonly spiffeId: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

export class CertificateAuthority {
  readonly #signer: Signer;
  readonly #clock: Clock;
  readonly #rootPem: string;
  /** Every trusted root, ours first. */
  readonly rootsPem: string;
  /** `sha256:<hex>` of our root's public key. */
  readonly fingerprint: string;

  private constructor(signer: Signer, rootPem: string, extraPem: string, clock: Clock) {
    this.#signer = signer;
    this.#clock = clock;
    this.#rootPem = rootPem;
    this.rootsPem = rootPem + extraPem;
    this.fingerprint = spkiFingerprint(rootPem);
  }

  /** Loads the root from `state`, or makes one and keeps it there. Throws on half a root. */
  static async open(state: State, clock: Clock): Promise<CertificateAuthority> {
    const root = readRoot(state) ?? (await makeRoot(state, clock));
    const signer = await Signer.of(root);
    return new CertificateAuthority(
      signer,
      root.certificatePem,
      state.read(EXTRA_ROOTS) ?? '',
      clock,
    );
  }

  /** A key and its certificate, valid from a minute ago for `ttlMs` from now. */
  async issue(
    spiffeId: string,
    ttlMs: number,
    names: { dnsNames?: readonly string[]; ipAddresses?: readonly string[] } = {},
  ): Promise<IssuedCertificate> {
    const nowMs = this.#clock.wallMs();
    const validity = { notBeforeMs: nowMs - BACKDATE_MS, notAfterMs: nowMs + ttlMs };
    const issued = await this.#signer.issue({
      spiffeId,
      dnsNames: names.dnsNames ?? [],
      ipAddresses: names.ipAddresses ?? [],
      ...validity,
    });
    return { ...issued, spiffeId, ...validity };
  }

  /** The leaf and our root: a joining sidecar recognises the root by its fingerprint. */
  chainWithRoot(leaf: CertifiedKey): string {
    return leaf.certificatePem + this.#rootPem;
  }
}

/** Fingerprint of the root in `state` without opening it for signing (offline tokens); null = none. */
export function storedFingerprint(state: State): string | null {
  const pem = state.read(ROOT_CERTIFICATE);
  return pem === null ? null : spkiFingerprint(pem);
}

function readRoot(state: State): CertifiedKey | null {
  const certificatePem = state.read(ROOT_CERTIFICATE);
  const privateKeyPem = state.read(ROOT_KEY);
  if (certificatePem === null && privateKeyPem === null) return null;
  if (certificatePem === null || privateKeyPem === null) {
    const missing = certificatePem === null ? ROOT_CERTIFICATE : ROOT_KEY;
    throw new Error(
      `${state.place} has half a root: ${missing} is missing; restore it, or remove both for a new mesh`,
    );
  }
  return { certificatePem, privateKeyPem };
}

async function makeRoot(state: State, clock: Clock): Promise<CertifiedKey> {
  const nowMs = clock.wallMs();
  const root = await createRoot('Remora root', {
    notBeforeMs: nowMs - BACKDATE_MS,
    notAfterMs: nowMs + ROOT_TTL_MS,
  });
  // The key first: a certificate without its key would count as half a root.
  state.write(ROOT_KEY, root.privateKeyPem);
  state.write(ROOT_CERTIFICATE, root.certificatePem);
  return root;
}
