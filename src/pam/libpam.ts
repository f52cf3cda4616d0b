/** The only door to Linux-PAM: is a password this user's, says a service? The calls block for as long as its modules
 *  like, so only checker-main.ts makes them, in a process of its own. pam(3), pam_conv(3), pam_fail_delay(3). */
import { existsSync, statSync } from 'node:fs';
import { constants } from 'node:os';
import koffi from 'koffi';

export interface PamQuestion {
  /** The name of a file in /etc/pam.d. */
  readonly service: string;
  readonly user: string;
  /** Where the client is, for modules that ask (PAM_RHOST); '' when it has no address. */
  readonly address: string;
  /** Without a zero byte. */
  readonly password: Uint8Array;
}

export interface PamAnswer {
  readonly isAccepted: boolean;
  /** What PAM says of its refusal, '' when there is none. Never text of a module, which may contain anything. */
  readonly why: string;
  /** For so long the refusal is to be held back; PAM would have slept. */
  readonly delayMs: number;
}

const SERVICE_DIRECTORIES = ['/etc/pam.d', '/usr/lib/pam.d', '/usr/etc/pam.d'];
const LIBRARY = 'libpam.so.0';
/** Service files are looked for here instead of in /etc/pam.d: for tests and for installations without root. */
const DIRECTORY_VARIABLE = 'PG_DOORMAN_PAM_DIRECTORY';

// security/_pam_types.h
const PAM_SUCCESS = 0;
const PAM_BUF_ERR = 5;
const PAM_CONV_ERR = 19;
const PAM_RHOST = 4;
const PAM_FAIL_DELAY = 10;
const PAM_PROMPT_ECHO_OFF = 1;
const PAM_PROMPT_ECHO_ON = 2;

// struct pam_message { int msg_style; const char *msg; } and struct pam_response { char *resp; int resp_retcode; }
const STYLE_BYTES = 4;
const POINTER_BYTES = 8;
const RESPONSE_BYTES = 16;
const PR_SET_PDEATHSIG = 1; // sys/prctl.h
const GROUP_OR_OTHERS_MAY_WRITE = 0o022;

const conversation = koffi.proto('int PamConversation(int, uintptr_t, uintptr_t, uintptr_t)');
const failDelay = koffi.proto('void PamFailDelay(int, uint32_t, uintptr_t)');
koffi.struct('PamConv', { conv: koffi.pointer(conversation), appdata: 'uintptr_t' });

/** Why PAM cannot be asked on this machine; '' when it can be. */
export function whyNoPam(environment: NodeJS.ProcessEnv): string {
  const directory = serviceDirectory(environment);
  try {
    const library = koffi.load(LIBRARY);
    if (directory !== '') library.func('int pam_start_confdir(str, str, PamConv*, str, void*)');
    library.unload();
  } catch (error) {
    return `${LIBRARY} (Debian: libpam0g) cannot be used: ${error instanceof Error ? error.message : String(error)}`;
  }
  return directory === '' ? '' : whyNoDirectory(directory);
}

function serviceDirectory(environment: NodeJS.ProcessEnv): string {
  return environment[DIRECTORY_VARIABLE] ?? '';
}

/** Who writes service files decides who gets in. */
function whyNoDirectory(directory: string): string {
  const stat = statSync(directory, { throwIfNoEntry: false });
  if (stat?.isDirectory() !== true) return `${DIRECTORY_VARIABLE}: ${directory} is no directory`;
  const isOwn = stat.uid === 0 || stat.uid === process.getuid?.();
  if (isOwn && (stat.mode & GROUP_OR_OTHERS_MAY_WRITE) === 0) return '';
  return `${DIRECTORY_VARIABLE}: ${directory} must belong to root or this user, and nobody else may write there`;
}

/** This process ends when the thread that started it does, whatever module it is in. prctl(2) */
export function dieWithParent(): void {
  const prctl: Call = koffi.load(null).func('int prctl(int, ulong, ulong, ulong, ulong)');
  prctl(PR_SET_PDEATHSIG, constants.signals.SIGKILL, 0, 0, 0);
}

type Call = (...args: unknown[]) => number;

/** PAM as one thread uses it: one question at a time. */
export class Pam {
  private readonly directory: string;
  private readonly start: Call;
  private readonly startIn: Call | null;
  private readonly setText: Call;
  private readonly setDelay: Call;
  private readonly authenticate: Call;
  private readonly accountManagement: Call;
  private readonly end: Call;
  private readonly strerror: (handle: number, code: number) => string;
  private readonly calloc: Call;
  private readonly copyFrom: Call;
  private readonly copyTo: Call;
  /** With the zero that ends it. */
  private password = Buffer.alloc(1);
  private delayUs = 0;

  /** Throws Error when whyNoPam says why. */
  constructor(environment: NodeJS.ProcessEnv) {
    const why = whyNoPam(environment);
    if (why !== '') throw new Error(why);
    this.directory = serviceDirectory(environment);
    const library = koffi.load(LIBRARY);
    this.start = library.func('int pam_start(str, str, PamConv*, _Out_ uintptr_t*)');
    this.startIn =
      this.directory === ''
        ? null
        : library.func('int pam_start_confdir(str, str, PamConv*, str, _Out_ uintptr_t*)');
    this.setText = library.func('pam_set_item', 'int', ['uintptr_t', 'int', 'str']);
    this.setDelay = library.func('pam_set_item', 'int', ['uintptr_t', 'int', koffi.pointer(failDelay)]);
    this.authenticate = library.func('int pam_authenticate(uintptr_t, int)');
    this.accountManagement = library.func('int pam_acct_mgmt(uintptr_t, int)');
    this.end = library.func('int pam_end(uintptr_t, int)');
    this.strerror = library.func('str pam_strerror(uintptr_t, int)');
    const libc = koffi.load(null);
    this.calloc = libc.func('uintptr_t calloc(size_t, size_t)');
    this.copyFrom = libc.func('memcpy', 'void*', ['void*', 'uintptr_t', 'size_t']);
    this.copyTo = libc.func('memcpy', 'void*', ['uintptr_t', 'const void*', 'size_t']);
  }

  /** Blocks. Throws nothing that PAM or its modules may cause. */
  check({ service, user, address, password }: PamQuestion): PamAnswer {
    this.password = Buffer.concat([password, Buffer.alloc(1)]);
    this.delayUs = 0;
    const answers = koffi.register(
      (count: number, messages: number, responses: number) => this.converse(count, messages, responses),
      koffi.pointer(conversation),
    );
    const delays = koffi.register((_code: number, us: number): void => {
      this.delayUs = us;
    }, koffi.pointer(failDelay));
    try {
      return this.ask(service, user, address, { conv: answers, appdata: 0 }, delays);
    } finally {
      this.password.fill(0);
      koffi.unregister(answers);
      koffi.unregister(delays);
    }
  }

  private ask(service: string, user: string, address: string, conv: object, delays: unknown): PamAnswer {
    const handleOut = [0];
    const started =
      this.startIn === null
        ? this.start(service, user, conv, handleOut)
        : this.startIn(service, user, conv, this.directory, handleOut);
    const handle = handleOut[0] ?? 0;
    if (started !== PAM_SUCCESS) return { isAccepted: false, why: this.strerror(0, started), delayMs: 0 };
    this.setDelay(handle, PAM_FAIL_DELAY, delays);
    if (address !== '') this.setText(handle, PAM_RHOST, address);
    let code = this.authenticate(handle, 0);
    if (code === PAM_SUCCESS) code = this.accountManagement(handle, 0);
    const isAccepted = code === PAM_SUCCESS;
    const why = isAccepted ? '' : this.strerror(handle, code) + this.missingFile(service);
    this.end(handle, code);
    return { isAccepted, why, delayMs: isAccepted ? 0 : this.delayUs / 1000 };
  }

  /** What PAM does not tell: it asks the service `other` then, which refuses everybody. */
  private missingFile(service: string): string {
    const directories = this.directory === '' ? SERVICE_DIRECTORIES : [this.directory];
    const isThere = directories.some((each) => existsSync(`${each}/${service.toLowerCase()}`));
    return isThere ? '' : `; there is no file ${service} in ${directories.join(', ')}`;
  }

  /** Modules ask: each that wants something hidden gets the password, as with PostgreSQL. libpam frees the responses. */
  private converse(count: number, messages: number, responses: number): number {
    const styles = Array.from({ length: count }, (_, index) => {
      const message = this.readPointer(messages + index * POINTER_BYTES);
      return this.read(message, STYLE_BYTES).readInt32LE();
    });
    if (styles.includes(PAM_PROMPT_ECHO_ON)) return PAM_CONV_ERR; // nobody is there to be asked
    const all = this.calloc(count, RESPONSE_BYTES);
    if (all === 0) return PAM_BUF_ERR;
    for (const [index, style] of styles.entries()) {
      if (style !== PAM_PROMPT_ECHO_OFF) continue;
      const response = this.calloc(1, this.password.length);
      if (response !== 0) this.copyTo(response, this.password, this.password.length);
      this.writePointer(all + index * RESPONSE_BYTES, response);
    }
    this.writePointer(responses, all);
    return PAM_SUCCESS;
  }

  private read(address: number, length: number): Buffer {
    const bytes = Buffer.alloc(length);
    this.copyFrom(bytes, address, length);
    return bytes;
  }

  private readPointer(address: number): number {
    return Number(this.read(address, POINTER_BYTES).readBigUInt64LE());
  }

  private writePointer(address: number, pointer: number): void {
    const bytes = Buffer.alloc(POINTER_BYTES);
    bytes.writeBigUInt64LE(BigInt(pointer));
    this.copyTo(address, bytes, POINTER_BYTES);
  }
}
