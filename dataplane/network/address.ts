// Text form of socket addresses: the reverse of formatAddress in api/connection. Used by config of
// resolvers and join, admin and tests.

import { isIP } from 'node:net';
import type { SocketAddress } from '../api/connection.ts';

/** Parses `1.2.3.4:80`, `[::1]:80` or an absolute Unix socket path; null = neither, or a host name. */
export function parseAddress(text: string): SocketAddress | null {
  if (text.startsWith('/')) return { ip: text, port: 0 };
  const colon = text.lastIndexOf(':');
  if (colon === -1) return null;
  let ip = text.slice(0, colon);
  const isBracketed = ip.startsWith('[') && ip.endsWith(']');
  if (isBracketed) ip = ip.slice(1, -1);
  const version = isIP(ip);
  if (version === 0 || isBracketed !== (version === 6)) return null;
  const port = parsePort(text.slice(colon + 1));
  return port === -1 ? null : { ip, port };
}

/** 0..65535, or -1. */
export function parsePort(text: string): number {
  if (!/^[0-9]{1,5}$/.test(text)) return -1;
  const port = Number(text);
  return port <= 65535 ? port : -1;
}

/** An IPv4 peer of a dual-stack socket shows as ::ffff:1.2.3.4; matching and logs want 1.2.3.4. */
export function plainIp(ip: string): string {
  return ip.startsWith('::ffff:') && ip.includes('.') ? ip.slice('::ffff:'.length) : ip;
}
