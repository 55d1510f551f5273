// Compiled rules of RBAC (config.rbac.v3.RBAC), shared by the HTTP and the network filter: config.ts makes them,
// engine.ts judges by them.
//
//   allowed        = ALLOW: some policy matches   DENY: none matches   LOG: always (only notes the match)
//   policy matches = its permission AND its principal match

import type { HeaderMatcherData, StringMatcherData } from '../../../api/matcher-data.ts';

export interface RbacRulesData {
  readonly action: 'ALLOW' | 'DENY' | 'LOG';
  /** In order of their names, which is the order of evaluation. */
  readonly policies: readonly RbacPolicyData[];
}

export interface RbacPolicyData {
  readonly name: string;
  /** Any of them. */
  readonly permissions: readonly RbacPermissionData[];
  /** Any of them. */
  readonly principals: readonly RbacPrincipalData[];
}

export type RbacPermissionData =
  | { readonly kind: 'any' }
  | { readonly kind: 'and'; readonly rules: readonly RbacPermissionData[] }
  | { readonly kind: 'or'; readonly rules: readonly RbacPermissionData[] }
  | { readonly kind: 'not'; readonly rule: RbacPermissionData }
  | { readonly kind: 'header'; readonly header: HeaderMatcherData }
  /** The path without query and fragment. */
  | { readonly kind: 'url_path'; readonly path: StringMatcherData }
  /** The connection's local address; CIDR as `10.0.0.0/8`. */
  | { readonly kind: 'destination_ip'; readonly cidr: string }
  | { readonly kind: 'destination_port'; readonly port: number }
  /** [start, end). */
  | { readonly kind: 'destination_port_range'; readonly start: number; readonly end: number }
  | { readonly kind: 'requested_server_name'; readonly matcher: StringMatcherData };

export type RbacPrincipalData =
  | { readonly kind: 'any' }
  | { readonly kind: 'and'; readonly ids: readonly RbacPrincipalData[] }
  | { readonly kind: 'or'; readonly ids: readonly RbacPrincipalData[] }
  | { readonly kind: 'not'; readonly id: RbacPrincipalData }
  /**
   * The peer's certificate: with a matcher, any of its URI SANs, else any DNS SAN, else its subject must
   * match (Envoy's order: the first kind that is present decides); null = any TLS peer certificate.
   */
  | { readonly kind: 'authenticated'; readonly principalName: StringMatcherData | null }
  /** The connection's peer address, whatever any header says. */
  | { readonly kind: 'direct_remote_ip'; readonly cidr: string }
  /** The peer address after listener filters; without them the same as direct_remote_ip. */
  | { readonly kind: 'source_ip'; readonly cidr: string }
  /** The client address as the connection manager derived it (x-forwarded-for). */
  | { readonly kind: 'remote_ip'; readonly cidr: string }
  | { readonly kind: 'header'; readonly header: HeaderMatcherData }
  | { readonly kind: 'url_path'; readonly path: StringMatcherData };
