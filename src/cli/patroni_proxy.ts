#!/usr/bin/env node
/** The command patroni_proxy. */
import { launch } from './launch.js';

launch('patroni_proxy', import('./proxy-command.js'), 'two for each connection');
