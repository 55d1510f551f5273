// Is a caller an operator? One rule for the REST API and for what operators may ask over gRPC: the API token; without
// one set, only who is on this machine.

import { createHash, timingSafeEqual } from 'node:crypto';
import { isIP } from 'node:net';

/** True for the `authorization` value `Bearer <token>`. */
export function hasApiToken(authorization: string | undefined, token: string): boolean {
  const given = /^Bearer (\S+)$/i.exec(authorization ?? '')?.[1] ?? '';
  return isSame(given, token);
}

/** True for 127.0.0.0/8 and ::1. */
export function isLoopbackAddress(address: string): boolean {
  const bare = address.replace(/^::ffff:(?=\d+\.)/, '');
  return bare === '::1' || (isIP(bare) === 4 && bare.startsWith('127.'));
}

/**
 * Why a gRPC peer (`address:port`) is no operator; null = it is one. `token` null = no API token is set. A browser
 * cannot make these calls, so no host name is looked at.
 */
export function operatorDenial(
  peer: { readonly address: string; readonly authorization: string | undefined },
  token: string | null,
): string | null {
  if (token !== null) {
    return hasApiToken(peer.authorization, token)
      ? null
      : 'for operators only: send metadata `authorization: Bearer <API token>`';
  }
  const address = peer.address.slice(0, peer.address.lastIndexOf(':')).replace(/^\[|\]$/g, '');
  return isLoopbackAddress(address)
    ? null
    : 'for operators only: no API token is set, so only callers on this machine may';
}

/** In constant time, whatever the lengths. */
function isSame(left: string, right: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(left), digest(right));
}
