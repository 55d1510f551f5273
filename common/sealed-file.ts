// A file that only its owner can read and that is whole or not there: encrypted with AES-256-GCM, replaced by rename.
// What a sidecar keeps on disk (its last good resources, its membership) lies in such files; see docs/adr/0023.
//
//   file     | magic, 8 bytes | format, 4 bytes | SHA-256 of the rest, 32 | nonce, 12 | tag, 16 | ciphertext |
//   authenticated with it: magic, format and the purpose, so that no file can be taken for another

import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import {
  constants,
  type FileHandle,
  link,
  mkdir,
  open,
  rename,
  unlink,
  writeFile,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { errorText } from './coded-error.ts';
import { err, ok, type Result } from './result.ts';

const MAGIC = Buffer.from('RMRAseal', 'latin1');
/** Counts up with each change of the layout above; the content has versions of its own. */
const FORMAT = 1;
const CIPHER = 'aes-256-gcm';
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const DIGEST_BYTES = 32;
const FORMAT_AT = MAGIC.length;
const DIGEST_AT = FORMAT_AT + 4;
const NONCE_AT = DIGEST_AT + DIGEST_BYTES;
const TAG_AT = NONCE_AT + NONCE_BYTES;
const CONTENT_AT = TAG_AT + TAG_BYTES;
/** What a file is longer than its content. */
export const SEAL_BYTES = CONTENT_AT;
const OWNER_ONLY = 0o600;
const OWNER_ONLY_DIRECTORY = 0o700;
const OTHERS = 0o077;
const KEY_FILE = 'key';

/** Why there is no content: `absent` = there is no file, else a text for the log. */
export type ReadFailure = 'absent' | { readonly reason: string };

/** `purpose` is authenticated: it must be the same when the file is read. */
export function seal(content: Uint8Array, key: Uint8Array, purpose: string): Buffer {
  const nonce = randomBytes(NONCE_BYTES);
  const head = Buffer.alloc(DIGEST_AT);
  MAGIC.copy(head);
  head.writeUInt32BE(FORMAT, FORMAT_AT);
  const cipher = createCipheriv(CIPHER, key, nonce);
  cipher.setAAD(Buffer.concat([head, Buffer.from(purpose)]));
  const sealed = Buffer.concat([cipher.update(content), cipher.final()]);
  const rest = [nonce, cipher.getAuthTag(), sealed];
  return Buffer.concat([head, digest(rest), ...rest]);
}

/** The content of a sealed file, or what is wrong with it. */
export function unseal(file: Buffer, key: Uint8Array, purpose: string): Result<Buffer, string> {
  if (file.length < CONTENT_AT) return err('it is cut off');
  if (!file.subarray(0, MAGIC.length).equals(MAGIC)) return err('it is no file of ours');
  const format = file.readUInt32BE(FORMAT_AT);
  if (format !== FORMAT) return err(`it has format ${format}, this release reads ${FORMAT}`);
  const sum = file.subarray(DIGEST_AT, NONCE_AT);
  if (!digest([file.subarray(NONCE_AT)]).equals(sum)) return err('its checksum is wrong');
  const decipher = createDecipheriv(CIPHER, key, file.subarray(NONCE_AT, TAG_AT));
  decipher.setAAD(Buffer.concat([file.subarray(0, DIGEST_AT), Buffer.from(purpose)]));
  decipher.setAuthTag(file.subarray(TAG_AT, CONTENT_AT));
  try {
    return ok(Buffer.concat([decipher.update(file.subarray(CONTENT_AT)), decipher.final()]));
  } catch {
    // The tag says no; nothing more is known.
    return err('it was sealed with another key, or for another purpose');
  }
}

function digest(parts: readonly Uint8Array[]): Buffer {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
}

/** A directory of sealed files and the key to them, which never leaves it. */
export class SealedDirectory {
  readonly path: string;
  readonly #key: Buffer;

  private constructor(path: string, key: Buffer) {
    this.path = path;
    this.#key = key;
  }

  /**
   * Makes the directory (0700) and its key (0600) unless they are there. A key that others may read, or that is
   * none, is replaced: what it sealed is lost, and `onKeyReplaced` hears why. Rejects when the directory cannot be used.
   */
  static async open(
    path: string,
    onKeyReplaced: (reason: string) => void,
  ): Promise<SealedDirectory> {
    await mkdir(path, { recursive: true, mode: OWNER_ONLY_DIRECTORY });
    const file = join(path, KEY_FILE);
    const found = await readKey(file);
    if (found.ok) return new SealedDirectory(path, found.value);
    if (found.errors !== 'absent') {
      onKeyReplaced(found.errors.reason);
      await unlink(file);
    }
    await createKey(file);
    const made = await readKey(file);
    if (made.ok) return new SealedDirectory(path, made.value);
    throw new Error(`no key ${file}`);
  }

  /** At most `maxBytes` of content are read. Never rejects. */
  async read(name: string, maxBytes: number): Promise<Result<Buffer, ReadFailure>> {
    const file = await readOwn(join(this.path, name), maxBytes + SEAL_BYTES);
    if (!file.ok) return file;
    const content = unseal(file.value, this.#key, name);
    return content.ok ? content : err({ reason: content.errors });
  }

  /** Replaces the file; whoever reads meanwhile, or after a crash, finds the former one or this one. Rejects as fs does. */
  async write(name: string, content: Uint8Array): Promise<void> {
    await writeWhole(join(this.path, name), seal(content, this.#key, name));
  }
}

async function readKey(path: string): Promise<Result<Buffer, ReadFailure>> {
  const key = await readOwn(path, KEY_BYTES);
  if (!key.ok || key.value.length === KEY_BYTES) return key;
  return err({ reason: `the key ${path} does not have ${KEY_BYTES} bytes` });
}

/** Of several processes that begin at once, the first one's key is everybody's. */
async function createKey(path: string): Promise<void> {
  const beside = `${path}.${randomBytes(8).toString('hex')}`;
  await writeFile(beside, randomBytes(KEY_BYTES), { mode: OWNER_ONLY, flag: 'wx', flush: true });
  try {
    await link(beside, path);
  } catch (thrown) {
    if (!hasCode(thrown, 'EEXIST')) throw thrown;
  } finally {
    await unlink(beside);
  }
}

function hasCode(thrown: unknown, code: string): boolean {
  return thrown instanceof Error && 'code' in thrown && thrown.code === code;
}

/** A regular file that is ours alone. */
async function readOwn(path: string, maxBytes: number): Promise<Result<Buffer, ReadFailure>> {
  let file: FileHandle;
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (thrown) {
    return err(hasCode(thrown, 'ENOENT') ? 'absent' : { reason: errorText(thrown) });
  }
  try {
    const { size, mode, uid } = await file.stat();
    if ((mode & OTHERS) !== 0) return err({ reason: `others may use it (${path})` });
    if (uid !== process.getuid?.()) return err({ reason: `it belongs to another user (${path})` });
    if (size > maxBytes) return err({ reason: `it has ${size} bytes, ${maxBytes} are allowed` });
    return ok(await file.readFile());
  } catch (thrown) {
    return err({ reason: errorText(thrown) });
  } finally {
    await file.close();
  }
}

/** Write beside, sync, rename, sync the directory: a loss of power leaves one of the two. */
async function writeWhole(path: string, bytes: Uint8Array): Promise<void> {
  // One name, so that a process that ends again and again leaves one file.
  const beside = `${path}.tmp`;
  const file = await open(beside, 'w', OWNER_ONLY);
  try {
    await file.chmod(OWNER_ONLY);
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(beside, path);
  const directory = await open(dirname(path), constants.O_RDONLY);
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
