// Files and a REST server behind the xDS client: the test is both.

import type { ResourceFiles } from '../../dataplane/xds/resource-files.ts';
import type { RestAnswer, RestCaller } from '../../dataplane/xds/rest-source.ts';

export class FakeFiles implements ResourceFiles {
  readonly #texts = new Map<string, { text: string | Buffer; identity: string }>();
  readonly #watches = new Map<string, Set<(isMove: boolean, name: string | null) => void>>();
  #identities = 0;
  /** Open watches. */
  watchCount = 0;

  /** Without any event. */
  put(path: string, text: string | Buffer): void {
    this.#texts.set(path, { text, identity: `${++this.#identities}` });
  }

  remove(path: string): void {
    this.#texts.delete(path);
  }

  tell(directory: string, isMove: boolean, name: string): void {
    for (const onEvent of this.#watches.get(directory) ?? []) onEvent(isMove, name);
  }

  /** As `mv` does. */
  move(path: string, text: string | Buffer): void {
    this.put(path, text);
    const end = path.lastIndexOf('/');
    this.tell(path.slice(0, end), true, path.slice(end + 1));
  }

  identity(path: string): string | null {
    return this.#texts.get(path)?.identity ?? null;
  }

  read(path: string): Buffer {
    const file = this.#texts.get(path);
    if (file === undefined) throw new Error('ENOENT: no such file or directory');
    return Buffer.from(file.text);
  }

  watch(directory: string, onEvent: (isMove: boolean, name: string | null) => void) {
    const watches = this.#watches.get(directory) ?? new Set();
    this.#watches.set(directory, watches.add(onEvent));
    this.watchCount++;
    return {
      close: () => {
        if (watches.delete(onEvent)) this.watchCount--;
      },
    };
  }
}

export interface FakeRestCall {
  readonly path: string;
  readonly body: Readonly<Record<string, unknown>>;
  readonly answer: (answer: RestAnswer) => void;
  isCancelled: boolean;
}

export class FakeRestServer {
  readonly calls: FakeRestCall[] = [];

  readonly caller: RestCaller = ({ path, body }, onAnswer) => {
    const call: FakeRestCall = {
      path,
      body: JSON.parse(body),
      isCancelled: false,
      answer: (answer) => {
        if (!call.isCancelled) onAnswer(answer);
      },
    };
    this.calls.push(call);
    return () => {
      call.isCancelled = true;
    };
  };

  /** The newest call. */
  get call(): FakeRestCall {
    const call = this.calls.at(-1);
    if (call === undefined) throw new Error('the client has not called');
    return call;
  }
}
