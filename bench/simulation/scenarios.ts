// What happens to the service while it is called. Times in simulated milliseconds; nothing is measured before WARM_MS.

import type { Server } from './server.ts';
import type { SimulatedTime } from './time.ts';

export const WARM_MS = 15_000;
export const TROUBLE_FROM_MS = 20_000;
export const TROUBLE_UNTIL_MS = 40_000;
export const END_MS = 60_000;

export interface World {
  readonly time: SimulatedTime;
  readonly servers: readonly Server[];
  /** Tells the callers' discovery which servers there are. */
  announce(isThere: (index: number) => boolean): void;
}

export interface Scenario {
  readonly name: string;
  readonly text: string;
  begin(world: World): void;
}

function duringTrouble(world: World, set: (isTroubled: boolean) => void): void {
  world.time.after(TROUBLE_FROM_MS, () => set(true));
  world.time.after(TROUBLE_UNTIL_MS, () => set(false));
}

/** How long an instance is away when it restarts, and the first moments of it back. */
const AWAY_MS = 2000;
const COLD_MS = 2000;

export const scenarios: readonly Scenario[] = [
  { name: 'healthy', text: 'nothing happens', begin: () => {} },
  {
    name: 'one-slow',
    text: 'one instance takes ten times as long',
    begin: ({ servers }) => {
      servers[0]!.slowness = 10;
    },
  },
  {
    name: 'one-failing',
    text: 'one instance answers 503 after a millisecond',
    begin: ({ servers }) => {
      servers[0]!.behaviour = 'fail';
    },
  },
  {
    name: 'failing-zone',
    text: 'a third of the instances answers nothing for 20 s',
    begin: (world) =>
      duringTrouble(world, (isTroubled) => {
        for (let i = 0; i < world.servers.length / 3; i++) {
          world.servers[i]!.behaviour = isTroubled ? 'hang' : 'serve';
        }
      }),
  },
  {
    name: 'rolling-restart',
    text: 'a tenth of the instances after the other leaves for 2 s, and is five times as slow for 2 s more',
    begin: ({ time, servers, announce }) => {
      const waves = 10;
      for (let wave = 0; wave < waves; wave++) {
        const isOf = (index: number) => index % waves === wave;
        const atMs = TROUBLE_FROM_MS + wave * (AWAY_MS + COLD_MS);
        if (atMs >= END_MS) return;
        time.after(atMs, () => announce((index) => !isOf(index)));
        time.after(atMs + AWAY_MS, () => {
          for (const [index, server] of servers.entries()) if (isOf(index)) server.slowness = 5;
          announce(() => true);
        });
        time.after(atMs + AWAY_MS + COLD_MS, () => {
          for (const [index, server] of servers.entries()) if (isOf(index)) server.slowness = 1;
        });
      }
    },
  },
  {
    name: 'all-failing',
    text: 'all instances answer 503 for 20 s: how much more do they get to do?',
    begin: (world) =>
      duringTrouble(world, (isTroubled) => {
        for (const server of world.servers) server.behaviour = isTroubled ? 'fail' : 'serve';
      }),
  },
];
