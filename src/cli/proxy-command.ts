/** What the command patroni_proxy does: importing this does it. */
import { ConfigurationError } from '../config/complaints.js';
import { Log } from '../control/logs.js';
import { notify } from '../control/notify.js';
import { VERSION } from '../control/version.js';
import { loadProxySettings, type ProxySettings } from '../patroni/load.js';
import { PatroniProxy } from '../patroni/proxy.js';
import { Predecessor } from '../patroni/succession.js';
import { readProxyCommandLine } from './proxy-options.js';

async function main(): Promise<number> {
  const {
    configFile: file,
    logLevel,
    logFormat,
    hasColor,
    isTest,
  } = readProxyCommandLine(process.argv, process.env);
  const settings = load(file);
  if (settings === null) return 1;
  if (isTest) {
    console.log(`the configuration file ${file} is in order`);
    return 0;
  }
  const log = new Log({ level: logLevel, format: logFormat, hasColor });
  const predecessor = Predecessor.find(process.env);
  const program = { file, version: VERSION, isDebug: logLevel === 'debug', manager: notify, predecessor };
  const status = await PatroniProxy.run(program, settings, log);
  log.flush();
  return status;
}

/** null when it cannot be used; everything that is wrong with it has then been said. */
function load(file: string): ProxySettings | null {
  try {
    return loadProxySettings(file);
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    for (const line of error.message.split('\n')) console.error(`patroni_proxy: ${line}`);
    return null;
  }
}

// The worker is blocked in the kernel when it is not told otherwise: the end is said, not awaited.
process.exitCode = 1; // when nothing is left that could say it
void main().then((status) => process.exit(status));
