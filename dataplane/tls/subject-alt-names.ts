// Subject alternative names out of Node's one-string form.

import type { X509Certificate } from 'node:crypto';
import { isIPv6, SocketAddress } from 'node:net';

export interface SubjectAltNames {
  readonly dns: readonly string[];
  readonly uri: readonly string[];
  readonly ip: readonly string[];
  readonly email: readonly string[];
}

const noNames: SubjectAltNames = { dns: [], uri: [], ip: [], email: [] };

/**
 * Parses `X509Certificate.subjectAltName`: `DNS:a, URI:"spiffe://x, y", IP Address:1.2.3.4`. Values that
 * hold a comma or quote are JSON strings there (the fix of CVE-2021-44532), so splitting must respect them.
 */
export function subjectAltNames(certificate: X509Certificate): SubjectAltNames {
  const text = certificate.subjectAltName;
  if (text === undefined || text === '') return noNames;
  const names = {
    dns: [] as string[],
    uri: [] as string[],
    ip: [] as string[],
    email: [] as string[],
  };
  for (let at = 0; at < text.length; ) {
    const colon = text.indexOf(':', at);
    if (colon === -1) break;
    const type = text.slice(at, colon);
    const start = colon + 1;
    let end: number;
    let value: string;
    if (text.charCodeAt(start) === 0x22) {
      end = start + 1;
      while (end < text.length && text.charCodeAt(end) !== 0x22) {
        end += text.charCodeAt(end) === 0x5c ? 2 : 1;
      }
      end++;
      value = unquote(text.slice(start, end));
    } else {
      end = text.indexOf(', ', start);
      if (end === -1) end = text.length;
      value = text.slice(start, end);
    }
    if (type === 'DNS') names.dns.push(value);
    else if (type === 'URI') names.uri.push(value);
    else if (type === 'IP Address') names.ip.push(canonicalIp(value));
    else if (type === 'email') names.email.push(value);
    at = end + 2;
  }
  return names;
}

function unquote(quoted: string): string {
  try {
    const value: unknown = JSON.parse(quoted);
    return typeof value === 'string' ? value : quoted;
  } catch {
    return quoted; // not Node's quoting: keep it as it stands, it will match nothing
  }
}

/** Node writes `2001:DB8:0:0:0:0:0:1` where everybody else, and so a matcher, writes `2001:db8::1`. */
function canonicalIp(text: string): string {
  return isIPv6(text) ? new SocketAddress({ address: text, family: 'ipv6' }).address : text;
}
