/** The settings in Russian, beside the English texts of general.ts and pool.ts. A test finds what is missing here. */

export const RUSSIAN: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  general: {
    host: 'Адрес, на котором принимаются подключения: IPv4, IPv6 или каталог, в котором будет создан unix-сокет .s.PGSQL.PORT.',
    port: 'Порт, на котором принимаются подключения.',
    backlog: 'Длина очереди подключений, ожидающих приёма. 0 — столько же, сколько max_connections.',
    io_backend: 'Через какой механизм ядра идёт ввод-вывод. auto: io_uring, если он разрешён, иначе epoll.',
    max_connections:
      'Сколько клиентов может быть подключено одновременно; следующий получит ошибку 53300. В консоль администратора пускают и сверх этого.',
    max_concurrent_creates: 'Сколько серверных соединений один пул может открывать одновременно.',
    tls_mode:
      'TLS с клиентами: разрешён (allow), запрещён (disable), обязателен (require) или обязателен вместе с сертификатом клиента (verify-full).',
    tls_ca_cert:
      'Файл с сертификатом УЦ, по которому проверяются сертификаты клиентов; обязателен для verify-full.',
    tls_private_key: 'Файл с закрытым ключом для TLS с клиентами.',
    tls_certificate: 'Файл с сертификатом для TLS с клиентами.',
    tls_rate_limit_per_second:
      'Сколько TLS-рукопожатий с клиентами начинается за секунду; остальные ждут в очереди. 0 — без ограничения.',
    daemon_pid_file: 'Файл, в который в режиме демона записывается номер процесса.',
    syslog_prog_name: 'Писать журнал в syslog под этим именем, а не в стандартный вывод.',
    log_client_connections: 'Записывать в журнал подключения клиентов.',
    log_client_disconnections: 'Записывать в журнал отключения клиентов.',
    worker_threads: 'Число потоков, обслуживающих клиентов.',
    worker_fill_percent:
      'Рабочий поток получает всех новых клиентов, пока не занят на столько процентов процессора; затем очередь следующего. 0 — клиенты распределяются поровну.',
    worker_cpu_affinity_pinning: 'Закрепить каждый рабочий поток за своим процессором.',
    tokio_global_queue_interval: 'Принимается ради старых файлов; имело смысл только в реализации на Rust.',
    tokio_event_interval: 'Принимается ради старых файлов; имело смысл только в реализации на Rust.',
    worker_stack_size: 'Принимается ради старых файлов; имело смысл только в реализации на Rust.',
    max_blocking_threads: 'Принимается ради старых файлов; имело смысл только в реализации на Rust.',
    connect_timeout:
      'Сколько времени отводится на открытие серверного соединения вместе с входом в PostgreSQL и на ответ при проверке, живо ли оно.',
    query_wait_timeout:
      'Сколько клиент ждёт серверного соединения. 0 — занятого другим клиентом не ждёт, недостающее открывается.',
    idle_timeout: 'Серверное соединение, простаивающее дольше, закрывается. 0 — никогда.',
    server_lifetime:
      'Серверное соединение старше этого (плюс-минус пятая часть) закрывается, когда простаивает. 0 — никогда.',
    retain_connections_time: 'Как часто отыскиваются серверные соединения, чьё время вышло.',
    retain_connections_max:
      'Сколько из них закрывается за один раз во всех пулах вместе, начиная с самых старых. 0 — все.',
    server_idle_check_timeout:
      'Соединение, простаивавшее дольше, проверяется перед выдачей клиенту. 0 — не проверяется никогда.',
    server_round_robin:
      'Выдавать свободные серверные соединения по очереди, а не то, что использовалось последним.',
    sync_server_parameters:
      'Устанавливать параметры клиента на каждом серверном соединении, которое он получает.',
    tcp_so_linger:
      'Сколько секунд закрытие сокета ждёт отправки оставшихся байтов. 0 — соединение сбрасывается сразу.',
    tcp_no_delay: 'Отключить алгоритм Нейгла.',
    tcp_keepalives_count: 'Сколько проб keepalive может остаться без ответа. 0 — как в системе.',
    tcp_keepalives_idle:
      'Через сколько секунд тишины отправляется первая проба keepalive. 0 — как в системе.',
    tcp_keepalives_interval: 'Сколько секунд между пробами keepalive. 0 — как в системе.',
    tcp_user_timeout:
      'Сколько секунд отправленные данные могут оставаться неподтверждёнными. 0 — как в системе.',
    unix_socket_buffer_size: 'Размер буферов unix-сокетов в байтах.',
    admin_username: 'Единственный пользователь консоли администратора.',
    admin_password: 'Его пароль.',
    prepared_statements: 'Поддерживать подготовленные запросы в режиме transaction.',
    prepared_statements_cache_size: 'Сколько подготовленных запросов помнит пул.',
    client_prepared_statements_cache_size:
      'Сколько подготовленных запросов может быть у одного клиента; самый старый забывается. 0 — без ограничения.',
    message_size_to_be_stream:
      'За сообщением длиннее этого (кроме данных COPY) следит proxy_copy_data_timeout; в байтах. 0 — ни за какими.',
    scaling_warm_pool_ratio:
      'До скольких процентов pool_size серверные соединения открываются без промедления.',
    scaling_fast_retries:
      'Сколько раз проверить, не вернулось ли соединение в пул, прежде чем открывать новое.',
    scaling_cooldown_sleep:
      'Пауза перед открытием нового соединения сверх «тёплой» части пула. 0 — без паузы.',
    max_memory_usage:
      'Память под незавершённые сообщения всех клиентов в байтах; сверх неё клиент получает 53200.',
    shutdown_timeout: 'Сколько плавная остановка ждёт завершения транзакций.',
    proxy_copy_data_timeout:
      'Сколько времени длинное сообщение может стоять на месте из-за клиента, который не читает или не досылает его.',
    server_tls: 'Использовать TLS с PostgreSQL, если тот его предлагает; то же, что server_tls_mode: prefer.',
    verify_server_certificate:
      'Вместе с server_tls: соединяться только по TLS и только с сертификатом этого хоста; то же, что server_tls_mode: verify-full.',
    server_tls_mode:
      'TLS с PostgreSQL, как sslmode в libpq. На unix-сокеты не действует. Заменяет server_tls.',
    server_tls_ca_cert:
      'Файл с сертификатом УЦ, выдавшего сертификат PostgreSQL. С ним сертификат проверяет и режим require. Без него verify-full доверяет тем же УЦ, что и Node.js.',
    server_tls_certificate: 'Файл с сертификатом, который пулер предъявляет PostgreSQL.',
    server_tls_private_key: 'Файл с закрытым ключом к server_tls_certificate.',
    hba: 'Сети (CIDR), из которых разрешено подключаться. Прежний вид pg_hba.',
    pg_hba:
      'Кому разрешено подключаться, в формате pg_hba.conf: сам текст, { path } с именем файла или { content }. Решает первое подходящее правило.',
    pooler_check_query: 'Простой запрос, на который пулер отвечает сам, без сервера.',
    clock_resolution_statistics: 'Принимается ради старых файлов: время читается один раз за цикл работы.',
    talos: 'Ключи и базы данных для токенов Talos.',
  },
  pool: {
    server_host: 'Хост PostgreSQL или каталог его unix-сокета.',
    server_port: 'Порт PostgreSQL.',
    server_database: 'База данных в PostgreSQL, если она называется не так, как пул.',
    application_name: 'application_name серверных соединений.',
    connect_timeout: 'connect_timeout этого пула.',
    idle_timeout: 'idle_timeout этого пула.',
    server_lifetime: 'server_lifetime этого пула.',
    pool_mode:
      'Когда клиент отдаёт серверное соединение: после каждой транзакции (transaction) или при отключении (session).',
    server_tls_mode: 'server_tls_mode этого пула.',
    server_tls_ca_cert: 'server_tls_ca_cert этого пула.',
    server_tls_certificate: 'server_tls_certificate этого пула.',
    server_tls_private_key: 'server_tls_private_key этого пула.',
    log_client_parameter_status_changes:
      'Записывать в журнал, как клиенты меняют параметры, о которых сообщает PostgreSQL, например TimeZone.',
    cleanup_server_connections:
      'Сбрасывать то, что клиент изменил в своём сеансе, прежде чем соединение достанется другому.',
    max_concurrent_creates: 'max_concurrent_creates этого пула.',
    scaling_warm_pool_ratio: 'scaling_warm_pool_ratio этого пула.',
    scaling_fast_retries: 'scaling_fast_retries этого пула.',
    scaling_cooldown_sleep: 'scaling_cooldown_sleep этого пула.',
    auth_query: 'Искать в PostgreSQL пользователей, которых нет в списке.',
    users: 'Кто может пользоваться этим пулом.',
  },
  user: {
    username: 'Имя, под которым подключаются клиенты.',
    password:
      'Хеш из PostgreSQL (md5… или SCRAM-SHA-256$…), пароль открытым текстом или jwt-pkey-fpath:ФАЙЛ.',
    auth_pam_service: 'Проверять через эту службу PAM вместо сравнения паролей.',
    server_username: 'Пользователь в PostgreSQL, если он не тот же, что у клиента.',
    server_password: 'Его пароль открытым текстом.',
    pool_size: 'Сколько серверных соединений может быть у этого пользователя с этой базой данных.',
    min_pool_size: 'Сколько серверных соединений держать открытыми.',
    pool_mode: 'pool_mode для этого пользователя.',
    server_lifetime: 'server_lifetime для этого пользователя.',
  },
  auth_query: {
    query: 'Запрос, который возвращает пароль пользователя; $1 — его имя.',
    user: 'От чьего имени выполняется запрос.',
    password: 'Его пароль.',
    database: 'В какой базе данных выполняется запрос.',
    pool_size: 'Число соединений для таких запросов.',
    server_user: 'Все пользователи делят один пул, работающий от имени этого пользователя PostgreSQL.',
    server_password: 'Его пароль.',
    default_pool_size: 'pool_size созданных так пулов.',
    cache_ttl: 'Сколько времени ответ считается верным.',
    cache_failure_ttl: 'Сколько времени пользователь считается несуществующим.',
    min_interval: 'Пауза между запросами о том же пользователе после неверного пароля.',
  },
  prometheus: {
    enabled: 'Отдавать метрики для Prometheus.',
    host: 'Адрес, на котором отдаются метрики.',
    port: 'Порт, на котором отдаются метрики.',
  },
};
