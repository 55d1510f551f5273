// What a sidecar can read in its join token. It cannot check the signature (only the control plane can);
// it trusts the token because whoever runs it handed it over. Format: controlplane/join/tokens.ts.

import { err, ok, type Result } from '../../common/result.ts';

export interface JoinToken {
  /** As it goes into `authorization: Bearer`. Secret. */
  readonly text: string;
  readonly service: string;
  readonly namespace: string;
  /** `sha256:<hex>` of the public key (SPKI) of the mesh's root. */
  readonly caFingerprint: string;
  /** Milliseconds since the Unix epoch. */
  readonly expiresAtMs: number;
}

export function readJoinToken(content: string): Result<JoinToken, string> {
  const text = content.trim();
  const [version, claims, mac, ...rest] = text.split('.');
  if (version !== 'remora1' || claims === undefined || mac === undefined || rest.length > 0) {
    return err('not a Remora join token; make one with: remora ctl token --service NAME');
  }
  let fields: unknown;
  try {
    fields = JSON.parse(Buffer.from(claims, 'base64url').toString('utf8'));
  } catch {
    fields = null; // answered below like any other nonsense
  }
  if (typeof fields !== 'object' || fields === null) return err('the join token is damaged');
  const { service, namespace, ca, expiresAt } = fields as Readonly<Record<string, unknown>>; // checked next
  if (
    typeof service !== 'string' ||
    typeof namespace !== 'string' ||
    typeof ca !== 'string' ||
    typeof expiresAt !== 'number'
  ) {
    return err('the join token is damaged');
  }
  return ok({ text, service, namespace, caFingerprint: ca, expiresAtMs: expiresAt * 1000 });
}
