/** The only door to OpenSSL: the one that the node executable carries and exports, so nothing else must be installed.
 *  Each function is declared here, once, under its own man page's name (section 3ssl). Pointers are plain numbers, 0 is
 *  none. What fails leaves its reasons in the thread's error queue; `errorText` takes them out, and every caller of
 *  something that failed calls it, so that the queue is empty when something is tried. */
import koffi from 'koffi';

/** A pointer to one of OpenSSL's objects. */
export type Pointer = number;

const library = koffi.load(null);

type Call = (...args: (number | bigint | string | ArrayBufferView | null)[]) => number;
const declare = (prototype: string): Call => library.func(prototype);

const errGetError = declare('ulong ERR_get_error()');
const errReason: (code: number) => string | null = library.func('str ERR_reason_error_string(ulong)');
const x509VerifyErrorString: (code: number) => string = library.func(
  'str X509_verify_cert_error_string(int64_t)',
);
const sslGetVersion: (ssl: Pointer) => string = library.func('str SSL_get_version(uintptr_t)');
const sslContextControl = declare('int64_t SSL_CTX_ctrl(uintptr_t, int, int64_t, const void*)');
const sslControl = declare('int64_t SSL_ctrl(uintptr_t, int, int64_t, const void*)');
const bioControl = declare('int64_t BIO_ctrl(uintptr_t, int, int64_t, uintptr_t)');
const bioWriteBytes = declare('int BIO_write(uintptr_t, const void*, int)');
const bioNew = declare('uintptr_t BIO_new(uintptr_t)');
const bioMemory = declare('uintptr_t BIO_s_mem()');
const tlsServerMethod = declare('uintptr_t TLS_server_method()');
const tlsClientMethod = declare('uintptr_t TLS_client_method()');
const sslContextNew = declare('uintptr_t SSL_CTX_new(uintptr_t)');
const pemReadCertificate = declare('uintptr_t PEM_read_bio_X509(uintptr_t, uintptr_t, uintptr_t, uintptr_t)');
const pemReadPrivateKey = declare('uintptr_t PEM_read_bio_PrivateKey(uintptr_t, uintptr_t, uintptr_t, str)');
const sslGetAlpnSelected = declare('void SSL_get0_alpn_selected(uintptr_t, void*, void*)');
const setVerify = declare('void SSL_CTX_set_verify(uintptr_t, int, uintptr_t)');
const setAlpnSelect = declare('void SSL_CTX_set_alpn_select_cb(uintptr_t, void*, uintptr_t)');
const alpnSelect = koffi.proto('int AlpnSelect(uintptr_t, uintptr_t, uintptr_t, uintptr_t, uint, uintptr_t)');

// ── errors ───────────────────────────────────────────────────────────────────────────────────────────────────────

/** What OpenSSL says went wrong on this thread, the first cause first; forgets it. '' when it says nothing. */
export function errorText(): string {
  const reasons: string[] = [];
  for (let code = errGetError(); code !== 0; code = errGetError()) {
    const reason = errReason(code) ?? `error ${code.toString(16)}`;
    if (reasons.at(-1) !== reason) reasons.push(reason);
  }
  return reasons.join(': ');
}

/** OpenSSL could not make something of what it was given. */
export class TlsError extends Error {
  override readonly name = 'TlsError';
}

/** A result that is 0 when a call has failed. Throws TlsError with OpenSSL's reasons. */
function made(result: number, what: string): number {
  if (result > 0) return result;
  throw new TlsError(`${what}: ${errorText()}`);
}

// ── digests ──────────────────────────────────────────────────────────────────────────────────────────────────────

const evpFetch = declare('uintptr_t EVP_MD_fetch(uintptr_t, str, uintptr_t)');
/** EVP_Digest(3ssl): the digest of so many bytes at an address, to another. The last three: nowhere to put its length,
 *  what newDigest has made, and no engine. */
export const digest = declare(
  'int EVP_Digest(uintptr_t, size_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t)',
);

/** A digest by its name, looked up once and for all. */
export function newDigest(name: string): Pointer {
  return made(evpFetch(0, name, 0), name);
}

// ── memory BIOs ──────────────────────────────────────────────────────────────────────────────────────────────────

const BIO_CTRL_RESET = 1;

export function newMemoryBio(): Pointer {
  return made(bioNew(bioMemory()), 'BIO_new');
}

/** Forgets what is in it. */
export function resetBio(bio: Pointer): void {
  bioControl(bio, BIO_CTRL_RESET, 0, 0);
}

/** BIO_write(3ssl) from memory at an address. */
export const bioWrite = declare('int BIO_write(uintptr_t, uintptr_t, int)');
/** BIO_read(3ssl) into memory at an address: bytes, or -1 when it is empty. */
export const bioRead = declare('int BIO_read(uintptr_t, uintptr_t, int)');
const bioUpRef = declare('int BIO_up_ref(uintptr_t)');
const bioFree = declare('int BIO_free(uintptr_t)');

// ── connections ──────────────────────────────────────────────────────────────────────────────────────────────────

const sslNew = declare('uintptr_t SSL_new(uintptr_t)');
const sslSetBio = declare('void SSL_set_bio(uintptr_t, uintptr_t, uintptr_t)');
/** SSL_set_accept_state(3ssl): it is the side that is connected to. */
export const setAcceptState = declare('void SSL_set_accept_state(uintptr_t)');
/** SSL_set_connect_state(3ssl): it is the side that connects. */
export const setConnectState = declare('void SSL_set_connect_state(uintptr_t)');
/** SSL_do_handshake(3ssl): 1 when it is done. */
export const doHandshake = declare('int SSL_do_handshake(uintptr_t)');
/** SSL_read(3ssl) into memory at an address: bytes, at most one record's, or 0 and less. */
export const sslRead = declare('int SSL_read(uintptr_t, uintptr_t, int)');
/** SSL_write(3ssl) from memory at an address. */
export const sslWrite = declare('int SSL_write(uintptr_t, uintptr_t, int)');
/** SSL_shutdown(3ssl): sends close_notify. */
export const sslShutdown = declare('int SSL_shutdown(uintptr_t)');
/** SSL_get_error(3ssl): what the last result means, one of SSL_ERROR_…. */
export const sslGetError = declare('int SSL_get_error(uintptr_t, int)');
/** SSL_has_pending(3ssl): 1 when part of a record has been read. */
export const sslHasPending = declare('int SSL_has_pending(uintptr_t)');
/** SSL_free(3ssl), with the references to its BIOs. */
export const sslFree = declare('void SSL_free(uintptr_t)');
const sslGetVerifyResult = declare('int64_t SSL_get_verify_result(uintptr_t)');
const sslSet1Host = declare('int SSL_set1_host(uintptr_t, str)');
const sslGet0Param = declare('uintptr_t SSL_get0_param(uintptr_t)');
const set1Ip = declare('int X509_VERIFY_PARAM_set1_ip_asc(uintptr_t, str)');

export const SSL_ERROR_WANT_READ = 2;
export const SSL_ERROR_ZERO_RETURN = 6;
const SSL_CTRL_SET_TLSEXT_HOSTNAME = 55;

/** A connection without BIOs. */
export function newSsl(context: Pointer): Pointer {
  return made(sslNew(context), 'SSL_new');
}

/** Has it read from one BIO and write to another from now on; it takes a reference to each. */
export function giveBios(ssl: Pointer, input: Pointer, output: Pointer): void {
  bioUpRef(input);
  bioUpRef(output);
  sslSetBio(ssl, input, output);
}

/** Takes its BIOs from it. */
export function takeBios(ssl: Pointer): void {
  sslSetBio(ssl, 0, 0);
}

/** TLSv1.2 or TLSv1.3. */
export function versionOf(ssl: Pointer): string {
  return sslGetVersion(ssl);
}

/** Why the peer's certificate was not accepted. */
export function verifyFailure(ssl: Pointer): string {
  return x509VerifyErrorString(sslGetVerifyResult(ssl));
}

/** Whether a protocol was agreed on by ALPN. */
export function hasAlpn(ssl: Pointer): boolean {
  const length = new Uint32Array(1);
  sslGetAlpnSelected(ssl, new BigUint64Array(1), length);
  return length[0] !== 0;
}

/** Tells the server which of its names is wanted (SNI). */
export function sendServerName(ssl: Pointer, host: string): void {
  sslControl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, 0, Buffer.from(`${host}\0`));
}

/** Has the handshake fail when the peer's certificate is of another host, X509_check_host(3ssl). */
export function expectHost(ssl: Pointer, host: string): void {
  made(sslSet1Host(ssl, host), 'SSL_set1_host');
}

/** Has the handshake fail when the peer's certificate is of another address. */
export function expectAddress(ssl: Pointer, address: string): void {
  made(set1Ip(sslGet0Param(ssl), address), 'X509_VERIFY_PARAM_set1_ip_asc');
}

// ── channel binding ──────────────────────────────────────────────────────────────────────────────────────────────

const NID_UNDEF = 0;
const NID_MD5 = 4;
const NID_SHA1 = 64;
const NID_SHA256 = 672;
const DIGEST_LENGTH_MAX = 64;

const signatureInfo = declare('int X509_get_signature_info(uintptr_t, void*, void*, void*, void*)');
const nameOfNid: (nid: number) => string = library.func('str OBJ_nid2sn(int)');
const digestByName = declare('uintptr_t EVP_get_digestbyname(str)');
const x509Digest = declare('int X509_digest(uintptr_t, uintptr_t, void*, void*)');
const peerCertificate = declare('uintptr_t SSL_get0_peer_certificate(uintptr_t)');
const ownCertificate = declare('uintptr_t SSL_CTX_get0_certificate(uintptr_t)');

/** What binds a login to the TLS connection with this peer, tls-server-end-point of RFC 5929. Empty when there is no
 *  certificate, or none that can be bound to. */
export function endPointOfPeer(ssl: Pointer): Uint8Array {
  return endPointOf(peerCertificate(ssl));
}

/** The same for connections that are accepted with this context. */
export function endPointOfContext(context: Pointer): Uint8Array {
  return endPointOf(ownCertificate(context));
}

/** The certificate's hash by the hash function of its signature, but SHA-256 in place of MD5 and SHA-1. A signature
 *  that has no hash function of its own, such as Ed25519's, leaves the binding undefined. RFC 5929, section 4.1. */
function endPointOf(certificate: Pointer): Uint8Array {
  const nid = new Int32Array([NID_UNDEF]);
  const isKnown = certificate !== 0 && signatureInfo(certificate, nid, null, null, null) === 1;
  const digest = isKnown ? digestByName(nameOfNid(strongEnough(nid[0]))) : 0;
  const hash = new Uint8Array(DIGEST_LENGTH_MAX);
  const length = new Uint32Array(1);
  const isMade = digest !== 0 && x509Digest(certificate, digest, hash, length) === 1;
  errorText();
  return hash.slice(0, isMade ? length[0] : 0);
}

function strongEnough(nid = NID_UNDEF): number {
  return nid === NID_MD5 || nid === NID_SHA1 ? NID_SHA256 : nid;
}

// ── contexts ─────────────────────────────────────────────────────────────────────────────────────────────────────

const SSL_CTRL_MODE = 33;
const SSL_CTRL_SET_SESS_CACHE_MODE = 44;
const SSL_CTRL_SET_TLSEXT_TICKET_KEYS = 59;
const SSL_CTRL_CHAIN_CERT = 89;
const SSL_CTRL_SET_MIN_PROTO_VERSION = 123;
const SSL_MODE_RELEASE_BUFFERS = 0x10;
const SSL_SESS_CACHE_OFF = 0;
const TLS1_2_VERSION = 0x0303;
const SSL_OP_NO_COMPRESSION = 2 ** 17;
const SSL_OP_NO_RENEGOTIATION = 2 ** 30;
const SSL_VERIFY_PEER = 1;
const SSL_VERIFY_FAIL_IF_NO_PEER_CERT = 2;
const SSL_TLSEXT_ERR_OK = 0;
const SSL_TLSEXT_ERR_ALERT_FATAL = 2;
const OPENSSL_NPN_NEGOTIATED = 1;
/** PostgreSQL's own default for TLS 1.2; those of TLS 1.3 are all in order. */
const CIPHERS = 'HIGH:MEDIUM:+3DES:!aNULL';
const SESSION_CONTEXT = Buffer.from('pg_doorman');

const setOptions = declare('uint64_t SSL_CTX_set_options(uintptr_t, uint64_t)');
const setCipherList = declare('int SSL_CTX_set_cipher_list(uintptr_t, str)');
const setSessionIdContext = declare('int SSL_CTX_set_session_id_context(uintptr_t, const void*, uint)');
const setNumTickets = declare('int SSL_CTX_set_num_tickets(uintptr_t, size_t)');
const useCertificate = declare('int SSL_CTX_use_certificate(uintptr_t, uintptr_t)');
const usePrivateKey = declare('int SSL_CTX_use_PrivateKey(uintptr_t, uintptr_t)');
const checkPrivateKey = declare('int SSL_CTX_check_private_key(uintptr_t)');
const getCertStore = declare('uintptr_t SSL_CTX_get_cert_store(uintptr_t)');
const storeAddCert = declare('int X509_STORE_add_cert(uintptr_t, uintptr_t)');
const addClientCa = declare('int SSL_CTX_add_client_CA(uintptr_t, uintptr_t)');
const setAlpnProtos = declare('int SSL_CTX_set_alpn_protos(uintptr_t, const void*, uint)');
const selectNextProto = declare(
  'int SSL_select_next_proto(uintptr_t, uintptr_t, uintptr_t, uint, const void*, uint)',
);
const x509UpRef = declare('int X509_up_ref(uintptr_t)');
const chainCertificate = declare('int64_t SSL_CTX_ctrl(uintptr_t, int, int64_t, uintptr_t)');
const x509Free = declare('void X509_free(uintptr_t)');
const keyFree = declare('void EVP_PKEY_free(uintptr_t)');
/** SSL_CTX_free(3ssl): it lives on as long as connections use it. */
export const freeContext = declare('void SSL_CTX_free(uintptr_t)');

/** A context for TLS 1.2 and 1.3 without renegotiation and compression, whose connections hold no buffers while they
 *  are idle. */
export function newContext(isServer: boolean): Pointer {
  const context = made(sslContextNew(isServer ? tlsServerMethod() : tlsClientMethod()), 'SSL_CTX_new');
  sslContextControl(context, SSL_CTRL_SET_MIN_PROTO_VERSION, TLS1_2_VERSION, null);
  sslContextControl(context, SSL_CTRL_MODE, SSL_MODE_RELEASE_BUFFERS, null);
  sslContextControl(context, SSL_CTRL_SET_SESS_CACHE_MODE, SSL_SESS_CACHE_OFF, null);
  setOptions(context, SSL_OP_NO_COMPRESSION + SSL_OP_NO_RENEGOTIATION);
  made(setCipherList(context, CIPHERS), 'SSL_CTX_set_cipher_list');
  return context;
}

/** Sessions can be resumed by a ticket under these keys, 80 bytes: everybody who has them accepts it. */
export function issueTickets(context: Pointer, keys: Uint8Array): void {
  const result = sslContextControl(context, SSL_CTRL_SET_TLSEXT_TICKET_KEYS, keys.length, keys);
  made(result, 'the keys of session tickets');
  made(setSessionIdContext(context, SESSION_CONTEXT, SESSION_CONTEXT.length), 'the session id context');
  setNumTickets(context, 1); // whoever resumes gets a new one
}

/** The own certificate with those that it was signed with, and its key, as PEM. Throws TlsError. */
export function useIdentity(context: Pointer, certificates: string, privateKey: string): void {
  let isFirst = true;
  eachCertificate(certificates, (certificate) => {
    if (isFirst) made(useCertificate(context, certificate), 'the certificate');
    else {
      // The chain takes the reference over.
      made(x509UpRef(certificate), 'X509_up_ref');
      made(chainCertificate(context, SSL_CTRL_CHAIN_CERT, 0, certificate), 'the chain of certificates');
    }
    isFirst = false;
  });
  const key = withPem(privateKey, (bio) => made(pemReadPrivateKey(bio, 0, 0, ''), 'the private key'));
  try {
    made(usePrivateKey(context, key), 'the private key');
    made(checkPrivateKey(context), 'the private key');
  } finally {
    keyFree(key);
  }
}

/** The peer must show a certificate that leads to one of these, PEM. Throws TlsError. */
export function verifyPeer(context: Pointer, authorities: string, isServer: boolean): void {
  const store = getCertStore(context);
  eachCertificate(authorities, (certificate) => {
    made(storeAddCert(store, certificate), 'the CA certificate');
    if (isServer) addClientCa(context, certificate);
  });
  setVerify(context, SSL_VERIFY_PEER | (isServer ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), 0);
}

/** As the connecting side: offers this protocol by ALPN (RFC 7301). */
export function offerProtocol(context: Pointer, protocol: string): void {
  const list = protocolList(protocol);
  if (setAlpnProtos(context, list, list.length) !== 0) throw new TlsError('SSL_CTX_set_alpn_protos');
}

/** As the accepting side: whoever offers protocols by ALPN must offer this one. */
export function demandProtocol(context: Pointer, protocol: string): void {
  const selector = selectors.get(protocol) ?? newSelector(protocolList(protocol));
  selectors.set(protocol, selector);
  setAlpnSelect(context, selector, 0);
}

/** By protocol: there is room for a few thousand in a process, and contexts are made anew by every RELOAD. */
const selectors = new Map<string, ReturnType<typeof koffi.register>>();

function newSelector(list: Uint8Array): ReturnType<typeof koffi.register> {
  // The choice is a pointer into the first list, which is the client's: OpenSSL copies it from there.
  const select: Call = (_ssl, out = 0, outLength = 0, offered = 0, offeredLength = 0) =>
    selectNextProto(out, outLength, offered, offeredLength, list, list.length) === OPENSSL_NPN_NEGOTIATED
      ? SSL_TLSEXT_ERR_OK
      : SSL_TLSEXT_ERR_ALERT_FATAL;
  return koffi.register(select, koffi.pointer(alpnSelect));
}

/** Protocol names as ALPN has them: each behind its length. */
function protocolList(protocol: string): Uint8Array {
  return Buffer.from(`${String.fromCharCode(protocol.length)}${protocol}`, 'latin1');
}

/** Calls back for each certificate in a PEM text, which has at least one; it lives no longer than the call. */
function eachCertificate(pem: string, use: (certificate: Pointer) => void): void {
  withPem(pem, (bio) => {
    let certificate = made(pemReadCertificate(bio, 0, 0, 0), 'a certificate');
    while (certificate !== 0) {
      try {
        use(certificate);
      } finally {
        x509Free(certificate);
      }
      certificate = pemReadCertificate(bio, 0, 0, 0);
    }
    errorText(); // that there are no more
    return 0;
  });
}

function withPem(pem: string, read: (bio: Pointer) => number): number {
  const bio = newMemoryBio();
  try {
    const bytes = Buffer.from(pem);
    made(bioWriteBytes(bio, bytes, bytes.length), 'BIO_write');
    return read(bio);
  } finally {
    bioFree(bio);
  }
}
