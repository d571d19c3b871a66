        <form method="post" action="/upload" enctype="multipart/form-data">
            <label>Title <input name="title" maxlength="80" value="<?= $e($given) ?>" required></label>
            <p class="problem"><?= $e($problems['title'] ?? '') ?></p>
            <label>File, at most 8 MiB <input type="file" name="file" required></label>
            <p class="problem"><?= $e($problems['file'] ?? '') ?></p>
            <button>Upload</button>
        </form>
