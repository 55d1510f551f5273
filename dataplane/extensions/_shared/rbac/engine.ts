// The policies of an RBAC config, compiled: rules become predicates once, a request is judged by walking
// them in the order of the policies' names. Made and called by the filters.

import type { Connection, TlsInfo } from '../../../api/connection.ts';
import type { RequestHeaders } from '../../../api/headers.ts';
import type { StreamInfo } from '../../../api/stream-info.ts';
import { HeaderMatcher, type Reading } from '../../../matcher/header-matcher.ts';
import { compileStringMatcher, type StringMatcher } from '../../../matcher/string-matcher.ts';
import { type Cidr, cidrContains, parseCidr, parseIp } from '../../../network/cidr.ts';
import type { RbacPermissionData, RbacPrincipalData, RbacRulesData } from './data.ts';

/** Whom and what a rule looks at; read during a call only. */
export interface RbacSubject {
  readonly headers: RequestHeaders;
  readonly connection: Connection;
  readonly streamInfo: StreamInfo;
}

type Rule = (subject: RbacSubject) => boolean;

interface Policy {
  readonly name: string;
  readonly permission: Rule;
  readonly principal: Rule;
}

/** No policy matched. */
export const NO_POLICY = -1;

export class RbacEngine {
  readonly action: RbacRulesData['action'];
  readonly #policies: readonly Policy[];

  constructor(data: RbacRulesData) {
    this.action = data.action;
    const reading: Reading = data.action === 'DENY' ? 'some' : 'each';
    this.#policies = data.policies.map(({ name, permissions, principals }) => ({
      name,
      permission: anyOf(permissions.map((rule) => compilePermission(rule, reading))),
      principal: anyOf(principals.map((id) => compilePrincipal(id, reading))),
    }));
  }

  /** Index of the first policy that matches, or NO_POLICY. */
  match(subject: RbacSubject): number {
    const policies = this.#policies;
    for (let i = 0; i < policies.length; i++) {
      const policy = policies[i]!;
      if (policy.permission(subject) && policy.principal(subject)) return i;
    }
    return NO_POLICY;
  }

  /** What the action makes of match()'s result. LOG never denies. */
  isAllowed(policy: number): boolean {
    switch (this.action) {
      case 'ALLOW':
        return policy !== NO_POLICY;
      case 'DENY':
        return policy === NO_POLICY;
      case 'LOG':
        return true;
    }
  }

  policyNames(): readonly string[] {
    return this.#policies.map(({ name }) => name);
  }
}

function compilePermission(data: RbacPermissionData, reading: Reading): Rule {
  switch (data.kind) {
    case 'any':
      return always;
    case 'and':
      return allOf(data.rules.map((rule) => compilePermission(rule, reading)));
    case 'or':
      return anyOf(data.rules.map((rule) => compilePermission(rule, reading)));
    case 'not':
      return not(compilePermission(data.rule, opposite(reading)));
    case 'header':
      return headerRule(new HeaderMatcher(data.header), reading);
    case 'url_path':
      return pathRule(compileStringMatcher(data.path));
    case 'destination_ip': {
      const range = rangeOf(data.cidr);
      return ({ streamInfo }) => isIn(range, streamInfo.downstreamLocalAddress.ip);
    }
    case 'destination_port':
      return ({ streamInfo }) => streamInfo.downstreamLocalAddress.port === data.port;
    case 'destination_port_range':
      return ({ streamInfo }) => {
        const { port } = streamInfo.downstreamLocalAddress;
        return port >= data.start && port < data.end;
      };
    case 'requested_server_name': {
      const matcher = compileStringMatcher(data.matcher);
      return ({ connection }) => matcher.match(connection.requestedServerName);
    }
    default:
      return data satisfies never;
  }
}

function compilePrincipal(data: RbacPrincipalData, reading: Reading): Rule {
  switch (data.kind) {
    case 'any':
      return always;
    case 'and':
      return allOf(data.ids.map((id) => compilePrincipal(id, reading)));
    case 'or':
      return anyOf(data.ids.map((id) => compilePrincipal(id, reading)));
    case 'not':
      return not(compilePrincipal(data.id, opposite(reading)));
    case 'authenticated': {
      if (data.principalName === null) return ({ connection }) => connection.tls !== null;
      const matcher = compileStringMatcher(data.principalName);
      return ({ connection }) => connection.tls !== null && matchesPeer(matcher, connection.tls);
    }
    case 'direct_remote_ip': {
      const range = rangeOf(data.cidr);
      return ({ streamInfo }) => isIn(range, streamInfo.downstreamDirectRemoteAddress.ip);
    }
    case 'source_ip': {
      const range = rangeOf(data.cidr);
      return ({ connection }) => isIn(range, connection.remoteAddress.ip);
    }
    case 'remote_ip': {
      const range = rangeOf(data.cidr);
      return ({ streamInfo }) => isIn(range, streamInfo.downstreamRemoteAddress.ip);
    }
    case 'header':
      return headerRule(new HeaderMatcher(data.header), reading);
    case 'url_path':
      return pathRule(compileStringMatcher(data.path));
    default:
      return data satisfies never;
  }
}

/** Envoy: any URI SAN, then any DNS SAN, then the subject; the first that matches is enough. */
function matchesPeer(matcher: StringMatcher, tls: TlsInfo): boolean {
  const uris = tls.uriSanPeerCertificate;
  for (let i = 0; i < uris.length; i++) if (matcher.match(uris[i]!)) return true;
  const names = tls.dnsSansPeerCertificate;
  for (let i = 0; i < names.length; i++) if (matcher.match(names[i]!)) return true;
  return matcher.match(tls.subjectPeerCertificate);
}

/** The main thread checked the text when it compiled the config. */
function rangeOf(text: string): Cidr {
  const range = parseCidr(text);
  if (range === null) throw new Error(`not a CIDR range: ${text}`);
  return range;
}

/** The path of a Unix socket is in no range. */
function isIn(range: Cidr, ip: string): boolean {
  const bytes = parseIp(ip);
  return bytes !== null && cidrContains(range, bytes);
}

function always(): boolean {
  return true;
}

function not(rule: Rule): Rule {
  return (subject) => !rule(subject);
}

function allOf(rules: readonly Rule[]): Rule {
  if (rules.length === 1) return rules[0]!;
  return (subject) => {
    for (let i = 0; i < rules.length; i++) if (!rules[i]!(subject)) return false;
    return true;
  };
}

function anyOf(rules: readonly Rule[]): Rule {
  if (rules.length === 1) return rules[0]!;
  return (subject) => {
    for (let i = 0; i < rules.length; i++) if (rules[i]!(subject)) return true;
    return false;
  };
}

function headerRule(matcher: HeaderMatcher, reading: Reading): Rule {
  return ({ headers }) => matcher.matchesReading(headers, reading);
}

/** Below a not: what must be sure to deny must be sure of the opposite there. */
function opposite(reading: Reading): Reading {
  if (reading === 'each') return reading;
  return reading === 'some' ? 'every' : 'some';
}

function pathRule(matcher: StringMatcher): Rule {
  return ({ headers }) => headers.path !== '' && matcher.match(withoutQuery(headers.path));
}

function withoutQuery(path: string): string {
  for (let i = 0; i < path.length; i++) {
    const code = path.charCodeAt(i);
    if (code === 0x3f || code === 0x23) return path.slice(0, i);
  }
  return path;
}
