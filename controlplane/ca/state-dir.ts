// What the control plane keeps on disk, when it has a state directory: its root, the key that signs tokens,
// and who is registered. Directory 0700, files 0600, each replaced whole (write, then rename).
// Without a directory the same things live in memory and a restarted control plane is a new mesh.

import { chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface State {
  /** null = not there (yet). Throws when it exists but cannot be read. */
  read(name: string): string | null;
  write(name: string, content: string): void;
  /** For messages: the directory, or `memory`. */
  readonly place: string;
}

export class StateDir implements State {
  readonly place: string;

  constructor(directory: string) {
    this.place = directory;
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    chmodSync(directory, 0o700);
  }

  read(name: string): string | null {
    try {
      return readFileSync(join(this.place, name), 'utf8');
    } catch (thrown) {
      if (thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT') return null;
      throw thrown;
    }
  }

  write(name: string, content: string): void {
    const path = join(this.place, name);
    const temporary = `${path}.tmp`;
    writeFileSync(temporary, content, { mode: 0o600, flush: true });
    renameSync(temporary, path);
  }
}

export class MemoryState implements State {
  readonly place = 'memory';
  readonly #contents = new Map<string, string>();

  read(name: string): string | null {
    return this.#contents.get(name) ?? null;
  }

  write(name: string, content: string): void {
    this.#contents.set(name, content);
  }
}
