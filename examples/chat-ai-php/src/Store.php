<?php

declare(strict_types=1);

namespace ChatAi;

use PDO;

/**
 * The conversations, in SQLite: one for each visitor, a row for each question and what became of it. Two workers, and
 * those of two generations during a reload, write to it at once. Each write is one statement, and takes effect once.
 *
 * A turn is `open` until its answer is over, then `whole`, `partial` or `failed`. Its `note` says in a sentence what
 * was wrong with it.
 */
final class Store
{
    /** Seconds after which no answer comes any more: `timeout` in host.toml, and some for a worker to store it. */
    private const LONGEST = 200;

    private PDO $db;

    public function __construct(private readonly string $folder)
    {
    }

    /** Once in each process: a connection is shared by no two of them. */
    public function open(): void
    {
        if (!extension_loaded('pdo_sqlite')) {
            throw new \RuntimeException('this needs ext-pdo_sqlite: apt install php-sqlite3, or your system\'s like');
        }
        if (!is_dir($this->folder) && !@mkdir($this->folder, 0770, true) && !is_dir($this->folder)) {
            throw new \RuntimeException("can't create $this->folder: make it, or name another folder in CHAT_DATA");
        }
        $this->db = new PDO("sqlite:$this->folder/chat.sqlite", options: [
            PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION,
            PDO::ATTR_DEFAULT_FETCH_MODE => PDO::FETCH_ASSOC,
            PDO::ATTR_TIMEOUT => 5, // seconds to wait for another worker's write
        ]);
        $this->db->exec(<<<'SQL'
            PRAGMA journal_mode = WAL;
            CREATE TABLE IF NOT EXISTS turns (
                number INTEGER PRIMARY KEY AUTOINCREMENT,
                id TEXT NOT NULL UNIQUE,
                visitor TEXT NOT NULL,
                question TEXT NOT NULL,
                asked_at INTEGER NOT NULL,      -- seconds since 1970
                asked_by INTEGER NOT NULL,      -- generation of the code
                state TEXT NOT NULL DEFAULT 'open',
                answer TEXT NOT NULL DEFAULT '',
                note TEXT NOT NULL DEFAULT '',
                fetch_id TEXT UNIQUE,           -- what to bill by
                tokens INTEGER NOT NULL DEFAULT 0,
                seconds REAL,
                kept_by INTEGER
            );
            CREATE INDEX IF NOT EXISTS turns_of ON turns (visitor, number);
            SQL);
    }

    /** @return list<array<string, mixed>> the turns of the visitor, in order */
    public function conversation(string $visitor): array
    {
        return array_map(self::known(...),
            $this->run('SELECT * FROM turns WHERE visitor = ? ORDER BY number', $visitor)->fetchAll());
    }

    /** @return array<string, mixed>|null a turn, if it is the visitor's */
    public function turn(string $visitor, string $id): ?array
    {
        $turn = $this->run('SELECT * FROM turns WHERE visitor = ? AND id = ?', $visitor, $id)->fetch();

        return $turn === false ? null : self::known($turn);
    }

    /** Notes a question. False: it is known already, or the visitor's last one has no answer yet. */
    public function begin(string $id, string $visitor, string $question, int $generation): bool
    {
        return $this->run(<<<'SQL'
            INSERT INTO turns (id, visitor, question, asked_at, asked_by) SELECT ?, ?, ?, ?, ?
            WHERE NOT EXISTS (SELECT 1 FROM turns WHERE visitor = ? AND state = 'open' AND asked_at > ?)
            ON CONFLICT DO NOTHING
            SQL, $id, $visitor, $question, time(), $generation, $visitor, time() - self::LONGEST)->rowCount() === 1;
    }

    /** Notes what became of it. False: that is known already, so whatever it costs is paid. */
    public function settle(string $id, Answer $answer, string $fetch, float $seconds, int $generation): bool
    {
        return $this->run(<<<'SQL'
            UPDATE turns SET state = ?, answer = ?, note = ?, tokens = ?, fetch_id = ?, seconds = ?, kept_by = ?
            WHERE id = ? AND state = 'open'
            SQL, $answer->state, $answer->text, $answer->note, $answer->tokens, $fetch, $seconds, $generation, $id)->rowCount() === 1;
    }

    public function fail(string $id, string $note): void
    {
        $this->run("UPDATE turns SET state = 'failed', note = ? WHERE id = ? AND state = 'open'", $note, $id);
    }

    public function forget(string $visitor): void
    {
        $this->run('DELETE FROM turns WHERE visitor = ?', $visitor);
    }

    /**
     * A host that is killed tells nobody what it had fetched, so a turn may stay open for ever.
     *
     * @param array<string, mixed> $turn
     *
     * @return array<string, mixed>
     */
    private static function known(array $turn): array
    {
        if ($turn['state'] === 'open' && $turn['asked_at'] < time() - self::LONGEST) {
            return ['state' => 'failed', 'note' => 'The answer to this was lost. Ask again.'] + $turn;
        }

        return $turn;
    }

    private function run(string $sql, string|int|float ...$values): \PDOStatement
    {
        $statement = $this->db->prepare($sql);
        foreach ($values as $i => $value) {
            $statement->bindValue($i + 1, $value, is_int($value) ? PDO::PARAM_INT : PDO::PARAM_STR);
        }
        $statement->execute();

        return $statement;
    }
}
