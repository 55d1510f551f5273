// The file system as far as file-source.ts needs it, behind an interface that tests fake.

import { type FSWatcher, readFileSync, statSync, watch } from 'node:fs';

export interface FileWatch {
  close(): void;
}

export interface ResourceFiles {
  /** Two equal answers: nobody has put anything else there meanwhile. Null = there is no such file. Never throws. */
  identity(path: string): string | null;
  /** Throws when it cannot be read. */
  read(path: string): Buffer;
  /**
   * Tells of what happens in a directory: `isMove` when a file came, went or was renamed, else it was written to. Throws
   * when there is no such directory.
   */
  watch(directory: string, onEvent: (isMove: boolean, name: string | null) => void): FileWatch;
}

export const resourceFiles: ResourceFiles = {
  identity(path) {
    try {
      const stat = statSync(path, { bigint: true });
      return `${stat.dev} ${stat.ino} ${stat.size} ${stat.mtimeNs}`;
    } catch {
      // Also a link to itself, or a directory that we may not enter: reading says which.
      return null;
    }
  },
  read: (path) => readFileSync(path),
  watch(directory, onEvent) {
    const watcher: FSWatcher = watch(directory, { persistent: false }, (event, name) =>
      onEvent(event === 'rename', name),
    );
    // Of a directory that goes away: what is watched is gone with it.
    watcher.on('error', () => watcher.close());
    return watcher;
  },
};
