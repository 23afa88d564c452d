#!/usr/bin/env node
import { run } from '../bundle/netsim.js';

process.exitCode = await run(process.argv.slice(2));
