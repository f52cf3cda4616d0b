/** What the connections of clients and servers are like: the settings as the reactor wants them. */
import type { SocketOptions } from '../reactor/reactor.js';
import type { DataPlaneSettings } from './settings.js';

export function serverSocketOptions(settings: DataPlaneSettings): SocketOptions {
  return { ...socketOptions(settings), lingerS: -1 };
}

/** What clients' connections are like. */
export function socketOptions({ tcp, unixSocketBufferSize }: DataPlaneSettings): SocketOptions {
  return {
    noDelay: tcp.noDelay,
    keepaliveCount: tcp.keepalivesCount,
    keepaliveIdleS: tcp.keepalivesIdleS,
    keepaliveIntervalS: tcp.keepalivesIntervalS,
    userTimeoutS: tcp.userTimeoutS,
    lingerS: tcp.lingerS,
    unixBufferBytes: unixSocketBufferSize,
  };
}
