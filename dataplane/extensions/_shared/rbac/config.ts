// config.rbac.v3.RBAC -> RbacRulesData, for the HTTP and the network filter.

import type { PermissionProto, PrincipalProto, RBACProto } from '../../../../proto/gen/types.ts';
import { compileCidr } from '../../../compile/address.ts';
import { type Compilation, mapEntryPath, mapItems } from '../../../compile/compilation.ts';
import {
  compileHeaderMatcher,
  compilePathMatcher,
  compileStringMatcher,
} from '../../../compile/matchers.ts';
import type { RbacPermissionData, RbacPrincipalData, RbacRulesData } from './data.ts';

/** Policies come out in the order of their names, as Envoy evaluates them. */
export function compileRbacRules(
  rules: RBACProto,
  path: string,
  compilation: Compilation,
): RbacRulesData {
  const policies = Object.entries(rules.policies ?? {}).map(([name, policy]) => {
    const at = mapEntryPath(`${path}.policies`, name);
    return {
      name,
      permissions: mapItems(policy.permissions, `${at}.permissions`, (permission, itemPath) =>
        compilePermission(permission, itemPath, compilation),
      ),
      principals: mapItems(policy.principals, `${at}.principals`, (principal, itemPath) =>
        compilePrincipal(principal, itemPath, compilation),
      ),
    };
  });
  policies.sort((a, b) => (a.name < b.name ? -1 : 1));
  return { action: rules.action ?? 'ALLOW', policies };
}

/** Never matches: what stands for a rule that is wrong. */
const noPermission: RbacPermissionData = { kind: 'or', rules: [] };
const noPrincipal: RbacPrincipalData = { kind: 'or', ids: [] };

function compilePermission(
  proto: PermissionProto,
  path: string,
  compilation: Compilation,
): RbacPermissionData {
  const set = (rules: readonly PermissionProto[] | undefined, field: string) =>
    mapItems(rules, `${path}.${field}.rules`, (rule, at) =>
      compilePermission(rule, at, compilation),
    );
  if (proto.any !== undefined) return { kind: 'any' };
  if (proto.and_rules !== undefined) {
    return { kind: 'and', rules: set(proto.and_rules.rules, 'and_rules') };
  }
  if (proto.or_rules !== undefined) {
    return { kind: 'or', rules: set(proto.or_rules.rules, 'or_rules') };
  }
  if (proto.not_rule !== undefined) {
    return {
      kind: 'not',
      rule: compilePermission(proto.not_rule, `${path}.not_rule`, compilation),
    };
  }
  if (proto.header !== undefined) {
    return {
      kind: 'header',
      header: compileHeaderMatcher(proto.header, `${path}.header`, compilation),
    };
  }
  if (proto.url_path !== undefined) {
    const matcher = compilePathMatcher(proto.url_path, `${path}.url_path`, compilation);
    return { kind: 'url_path', path: matcher };
  }
  if (proto.destination_ip !== undefined) {
    const cidr = compileCidr(proto.destination_ip, `${path}.destination_ip`, compilation);
    return { kind: 'destination_ip', cidr };
  }
  if (proto.destination_port !== undefined) {
    return { kind: 'destination_port', port: proto.destination_port };
  }
  if (proto.destination_port_range !== undefined) {
    const { start = 0, end = 0 } = proto.destination_port_range;
    if (start >= end) {
      compilation.fail(`${path}.destination_port_range`, 'start must be less than end');
    }
    return { kind: 'destination_port_range', start, end };
  }
  if (proto.requested_server_name !== undefined) {
    const at = `${path}.requested_server_name`;
    const matcher = compileStringMatcher(proto.requested_server_name, at, compilation);
    return { kind: 'requested_server_name', matcher };
  }
  return noPermission; // anything else was refused by validation or by the support table
}

function compilePrincipal(
  proto: PrincipalProto,
  path: string,
  compilation: Compilation,
): RbacPrincipalData {
  const set = (ids: readonly PrincipalProto[] | undefined, field: string) =>
    mapItems(ids, `${path}.${field}.ids`, (id, at) => compilePrincipal(id, at, compilation));
  if (proto.any !== undefined) return { kind: 'any' };
  if (proto.and_ids !== undefined) return { kind: 'and', ids: set(proto.and_ids.ids, 'and_ids') };
  if (proto.or_ids !== undefined) return { kind: 'or', ids: set(proto.or_ids.ids, 'or_ids') };
  if (proto.not_id !== undefined) {
    return { kind: 'not', id: compilePrincipal(proto.not_id, `${path}.not_id`, compilation) };
  }
  if (proto.authenticated !== undefined) {
    const name = proto.authenticated.principal_name;
    const at = `${path}.authenticated.principal_name`;
    const principalName = name === undefined ? null : compileStringMatcher(name, at, compilation);
    return { kind: 'authenticated', principalName };
  }
  for (const kind of ['source_ip', 'direct_remote_ip', 'remote_ip'] as const) {
    const range = proto[kind];
    if (range !== undefined) {
      return { kind, cidr: compileCidr(range, `${path}.${kind}`, compilation) };
    }
  }
  if (proto.header !== undefined) {
    return {
      kind: 'header',
      header: compileHeaderMatcher(proto.header, `${path}.header`, compilation),
    };
  }
  if (proto.url_path !== undefined) {
    const matcher = compilePathMatcher(proto.url_path, `${path}.url_path`, compilation);
    return { kind: 'url_path', path: matcher };
  }
  return noPrincipal; // anything else was refused by validation or by the support table
}
