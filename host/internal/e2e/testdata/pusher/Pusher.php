<?php

declare(strict_types=1);

// In place of the package pusher/pusher-php-server, which Debian does not have: what Laravel's driver asks of it, and
// signed as Pusher's documentation says.

namespace Pusher;

class ApiErrorException extends \Exception
{
}

class Pusher
{
    private string $base;

    /** @param array{host?: string, port?: int, scheme?: string, path?: string} $options */
    public function __construct(private string $key, private string $secret, private string $id,
        private array $options = [])
    {
        $this->base = $options['scheme'] . '://' . $options['host'] . ':' . $options['port'];
    }

    /** @param list<string>|string $channels */
    public function trigger(array|string $channels, string $event, mixed $data, array $params = []): object
    {
        return $this->post('/events', ['name' => $event, 'data' => json_encode($data), 'channels' => (array) $channels]
            + $params);
    }

    public function socket_auth(string $channel, string $socket, ?string $data = null): string
    {
        $signed = "$socket:$channel" . ($data === null ? '' : ":$data");

        return json_encode(['auth' => "$this->key:" . hash_hmac('sha256', $signed, $this->secret)]
            + ($data === null ? [] : ['channel_data' => $data]));
    }

    public function presence_auth(string $channel, string $socket, string $user, mixed $info = null): string
    {
        return $this->socket_auth($channel, $socket, json_encode(['user_id' => $user]
            + ($info ? ['user_info' => $info] : [])));
    }

    private function post(string $path, array $body): object
    {
        $path = ($this->options['path'] ?? '') . "/apps/$this->id$path";
        $text = json_encode($body);
        $query = ['auth_key' => $this->key, 'auth_timestamp' => (string) time(), 'auth_version' => '1.0',
            'body_md5' => md5($text)];
        ksort($query);
        $signed = "POST\n$path\n" . implode('&', array_map(static fn ($k, $v) => "$k=$v", array_keys($query), $query));
        $query['auth_signature'] = hash_hmac('sha256', $signed, $this->secret);
        $answer = file_get_contents("$this->base$path?" . http_build_query($query), false, stream_context_create([
            'http' => ['method' => 'POST', 'header' => 'Content-Type: application/json', 'content' => $text,
                'ignore_errors' => true, 'timeout' => 10]]));
        if (!str_contains($http_response_header[0], ' 200 ')) {
            throw new ApiErrorException("$http_response_header[0]: $answer");
        }

        return json_decode($answer);
    }
}
