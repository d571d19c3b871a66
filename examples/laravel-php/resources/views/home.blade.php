<!DOCTYPE html>
<html lang="en">
<head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>Laravel under a host</title>
</head>
<body>
    <h1>Laravel, unchanged</h1>
    <p>Visit {{ $visits }} of this browser, answered by process {{ $pid }}.</p>
    <ul>
        <li><a href="{{ route('hello', ['name' => 'Ada & Co', 'from' => 'here']) }}">JSON</a></li>
        <li><a href="/report.csv?rows=1000">A download that is made as it is sent</a></li>
        <li><a href="/broken">A page that fails</a></li>
    </ul>
    @if (session('uploaded'))
        <p role="status">{{ session('uploaded') }}</p>
    @endif
    @foreach ($errors->all() as $error)
        <p role="alert">{{ $error }}</p>
    @endforeach
    <form method="post" action="{{ route('upload') }}" enctype="multipart/form-data">
        @csrf
        <input name="title" value="{{ old('title') }}" placeholder="Title" aria-label="Title">
        <input type="file" name="file" aria-label="File">
        <button>Upload</button>
    </form>
</body>
</html>
