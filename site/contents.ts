/** What the manual has, in the order in which it is read: titles of the sidebar to pages of docs/. A test sees to it that
 *  no page is missing. */
export const CONTENTS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  Start: { 'Quick start': 'quick-start', Concepts: 'concepts', 'Making a configuration': 'generate' },
  Migrating: {
    'From PgBouncer': 'migrating-from-pgbouncer',
    'From PgDoorman 3.3.1': 'migrating-from-pgdoorman',
  },
  Tutorials: {
    'A web application': 'tutorials/web-application',
    'TLS and SCRAM': 'tutorials/tls-and-scram',
    'Users from PostgreSQL': 'tutorials/auth-query',
    'Prometheus and Grafana': 'tutorials/monitoring',
    'Upgrade under systemd': 'tutorials/upgrade-with-systemd',
    Patroni: 'tutorials/patroni',
  },
  Using: {
    'Transaction pooling': 'transaction-pooling',
    'Who gets in, and how': 'authentication',
    Security: 'security',
    'Logs, signals, daemon mode': 'logs-and-signals',
    'Binary upgrade': 'upgrade',
    patroni_proxy: 'patroni-proxy',
    Packages: 'packages',
    Troubleshooting: 'troubleshooting',
  },
  Reference: {
    Settings: 'reference/configuration',
    'Settings, in Russian': 'reference/configuration.ru',
    'Command line': 'reference/command-line',
    'Admin console': 'admin-console',
    'Metrics and health': 'metrics',
    Errors: 'errors',
    'Settings of PgBouncer': 'reference/pgbouncer',
  },
  Evidence: {
    Benchmarks: 'benchmarks',
    Threads: 'threads',
    'TLS and logins': 'tls',
    Soak: 'soak',
    'How it is tested': 'testing',
    Simulation: 'simulation',
  },
  Project: { Architecture: 'ARCHITECTURE', Contributing: 'CONTRIBUTING', Changes: 'CHANGELOG' },
};
