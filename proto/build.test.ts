import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import protobuf from 'protobufjs';
import { applyOverlay } from './build/overlay.ts';
import { enumType, lookupType } from './root.ts';

describe('the generated descriptors', () => {
  it('contain every kind of resource, filter and service that the product speaks of', () => {
    const names = [
      'envoy.config.bootstrap.v3.Bootstrap',
      'envoy.service.discovery.v3.DeltaDiscoveryResponse',
      'envoy.service.status.v3.ClientStatusResponse',
      'envoy.service.load_stats.v3.LoadStatsRequest',
      'envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication',
      'envoy.extensions.filters.network.redis_proxy.v3.RedisProxy',
      'envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol',
      'envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate',
      'envoy.extensions.load_balancing_policies.maglev.v3.Maglev',
      'envoy.admin.v3.ConfigDump',
      'xds.type.v3.TypedStruct',
      'udpa.type.v1.TypedStruct',
    ];
    assert.deepEqual(
      names.filter((name) => lookupType(name) === null),
      [],
    );
  });

  it('answer for messages only, whatever name a peer asks for', () => {
    for (const name of ['', '.', 'envoy', 'envoy.config.core.v3.RoutingPriority', 'constructor']) {
      assert.equal(lookupType(name), null, name);
    }
    assert.equal(lookupType('nested'), null);
  });

  it('know oneofs, presence, maps and enums', () => {
    const cluster = lookupType('envoy.config.cluster.v3.Cluster');
    assert.ok(cluster !== null);
    assert.deepEqual(
      cluster.oneofs.get('cluster_discovery_type')?.map((member) => member.name),
      ['type', 'cluster_type'],
    );
    const options = cluster.byName.get('typedExtensionProtocolOptions');
    assert.equal(options?.name, 'typed_extension_protocol_options');
    assert.equal(options?.mapKey, 'string');
    assert.equal(cluster.byName.get('name')?.hasPresence, false);
    assert.equal(cluster.byName.get('type')?.hasPresence, true);
    assert.equal(enumType('envoy.config.cluster.v3.Cluster.LbPolicy').numberOf.get('MAGLEV'), 5);
  });

  it('contain the fields of the overlay, inside of their oneofs', () => {
    const action = lookupType('envoy.config.route.v3.RouteAction');
    assert.equal(action?.byName.get('path_rewrite')?.number, 45);
    assert.equal(action?.byName.get('host_rewrite')?.oneof, 'host_rewrite_specifier');
    const field = lookupType('envoy.config.listener.v3.Listener')?.byName.get('tcp_keepalive');
    assert.equal(field?.typeName, 'envoy.config.core.v3.TcpKeepalive');
  });
});

describe('applyOverlay', () => {
  const base = 'syntax = "proto3"; package p; message M { oneof o { int32 a = 1; } }';

  function merged(overlay: string): protobuf.Root {
    const { root } = protobuf.parse(base, new protobuf.Root());
    applyOverlay(root, 'x.proto', `syntax = "proto3"; package p; ${overlay}`);
    return root;
  }

  it('adds fields, nested messages and members of oneofs', () => {
    const root = merged(
      'message M { message N { int32 x = 1; } oneof o { N n = 2; } map<string, N> m = 3; } enum E { Z = 0; }',
    );
    const message = root.lookupType('p.M');
    assert.deepEqual(Object.keys(message.fields), ['a', 'n', 'm']);
    assert.deepEqual(message.oneofs?.['o']?.oneof, ['a', 'n']);
    assert.equal(message.fields['n']?.resolve().resolvedType?.fullName, '.p.M.N');
    assert.ok(root.lookupEnum('p.E'));
  });

  it('refuses names and numbers that the package already has', () => {
    assert.throws(() => merged('message M { string a = 9; }'), /overlay x\.proto/);
    assert.throws(() => merged('message M { string b = 1; }'), /overlay x\.proto/);
    assert.throws(() => merged('enum M { Z = 0; }'), /overlay x\.proto/);
  });
});
