// Which of several server certificates a client gets: by SNI, exact before wildcard, and one per kind of key
// so that OpenSSL can take the ECDSA one where the client can. The rules are those of Envoy's default
// selector, except that names are compared without case (RFC 6066).

import type { X509Certificate } from 'node:crypto';
import { subjectAltNames } from './subject-alt-names.ts';

/** At most one certificate of each kind, by index into the context's list; -1 = none. */
export interface CertificateChoice {
  readonly ecdsa: number;
  readonly rsa: number;
}

type MutableChoice = { -readonly [K in keyof CertificateChoice]: CertificateChoice[K] };

/** Pure: built from the leafs of a context, asked per handshake. */
export class ServerNames {
  readonly #exact = new Map<string, MutableChoice>();
  /** By what stands behind the star: `.orders.test`. */
  readonly #wildcard = new Map<string, MutableChoice>();
  readonly #first: CertificateChoice;
  readonly #any: CertificateChoice;
  readonly #scansAllOnMismatch: boolean;

  /** At least one leaf. `scansAllOnMismatch`: full_scan_certs_on_sni_mismatch. */
  constructor(leafs: readonly X509Certificate[], scansAllOnMismatch: boolean) {
    this.#scansAllOnMismatch = scansAllOnMismatch;
    const any: MutableChoice = { ecdsa: -1, rsa: -1 };
    for (const [i, leaf] of leafs.entries()) {
      const kind = kindOf(leaf);
      if (any[kind] === -1) any[kind] = i;
      for (const name of namesOf(leaf)) this.#add(name, kind, i);
    }
    this.#any = any;
    const isEcdsa = any.ecdsa === 0;
    this.#first = { ecdsa: isEcdsa ? 0 : -1, rsa: isEcdsa ? -1 : 0 };
  }

  /** `serverName` '' = the client named none. */
  choose(serverName: string): CertificateChoice {
    if (serverName === '') return this.#any;
    const name = serverName.toLowerCase();
    const exact = this.#exact.get(name);
    const dot = name.indexOf('.', 1);
    const matched = exact ?? (dot === -1 ? undefined : this.#wildcard.get(name.slice(dot)));
    if (matched === undefined) return this.#scansAllOnMismatch ? this.#any : this.#first;
    const { ecdsa, rsa } = matched;
    // Who cannot take the ECDSA certificate of the name gets the first one, whatever it is called.
    return rsa === -1 ? { ecdsa, rsa: this.#first.rsa } : matched;
  }

  #add(name: string, kind: keyof CertificateChoice, index: number): void {
    const isWildcard = name.startsWith('*.');
    const names = isWildcard ? this.#wildcard : this.#exact;
    const key = (isWildcard ? name.slice(1) : name).toLowerCase();
    let choice = names.get(key);
    if (choice === undefined) {
      choice = { ecdsa: -1, rsa: -1 };
      names.set(key, choice);
    }
    // The first of a kind keeps the name, as in Envoy.
    if (choice[kind] === -1) choice[kind] = index;
  }
}

function kindOf(leaf: X509Certificate): keyof CertificateChoice {
  return leaf.publicKey.asymmetricKeyType === 'ec' ? 'ecdsa' : 'rsa';
}

/** Its DNS SANs, or the common name of a certificate without any. */
function namesOf(leaf: X509Certificate): readonly string[] {
  const { dns } = subjectAltNames(leaf);
  if (dns.length > 0) return dns;
  const commonName = /^CN=(.+)$/m.exec(leaf.subject)?.[1];
  return commonName === undefined ? [] : [commonName];
}
